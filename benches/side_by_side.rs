//! One measurement for a comparison with another library on the same bytes.
//!
//! `side_by_side DATA TASK THREADS` reads raw little-endian f64 arrays (`NAME.bin` with
//! `NAME.json` holding `{"shape": [rows, columns]}`) from the folder DATA, does the timed scope of
//! TASK three times and prints one JSON line. Without arguments it prints its usage and ends well,
//! so that a bare `cargo bench` stays green.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use galen::association::{FrequentItemsets, PrefixSpan, SetKind};
use galen::classification::{FeaturesPerNode, RandomForestParams};
use galen::design::{Hierarchy, Histories, Items};
use galen::evaluation::{auprc, auroc};
use galen::ndarray::{Array1, Array2};
use galen::prelude::*;
use serde_json::json;

type Outcome<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    let [data, task, threads] = &args[..] else {
        println!(
            "usage: side_by_side DATA TASK THREADS   (tasks: c1_lr, c1_lrpath, c1_dt, c1_gbm, c2_gbm, c2_predict, c1_rf, c1_rf_choice, c1_rf8, c1_et, e1_shap, m1_auc, s1_score, csv; a1_dx_1e4 and others of associations, see there)"
        );
        return Ok(());
    };
    let threads: usize = threads.parse()?;
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()?;
    let (times, quality) = match task.as_str() {
        "c1_lr" => logistic(Path::new(data))?,
        "c1_lrpath" => path(Path::new(data))?,
        "c1_dt" => one_tree(Path::new(data))?,
        "c1_gbm" | "c2_gbm" => boosting(Path::new(data), &task[..2])?,
        "c2_predict" => predictions(Path::new(data))?,
        "c1_rf" => forest(
            Path::new(data),
            RandomForest::params().features_per_node(FeaturesPerNode::Count(12)),
        )?,
        "c1_rf_choice" => features_per_node(Path::new(data))?,
        "c1_rf8" => forest(
            Path::new(data),
            RandomForest::params()
                .n_trees(10)
                .max_depth(8)
                .max_leaves(None)
                .min_leaf_rows(1),
        )?,
        "c1_et" => forest(Path::new(data), RandomForest::extra_trees())?,
        "e1_shap" => attributions(Path::new(data))?,
        "m1_auc" => metrics(Path::new(data))?,
        "s1_score" => score(Path::new(data))?,
        "csv" => csv(Path::new(data))?,
        task if task.starts_with("a1_") => association(Path::new(data), task)?,
        other => return Err(format!("unknown task {other}").into()),
    };
    println!(
        "{}",
        json!({"task": task, "peer": "galen", "threads": threads, "times": times, "quality": quality})
    );
    Ok(())
}

fn load(folder: &Path, name: &str) -> Outcome<Array2<f64>> {
    let shape: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join(format!("{name}.json")))?)?;
    let sizes: Vec<usize> = serde_json::from_value(shape["shape"].clone())?;
    let bytes = std::fs::read(folder.join(format!("{name}.bin")))?;
    let values = bytes
        .as_chunks::<8>()
        .0
        .iter()
        .map(|chunk| f64::from_le_bytes(*chunk))
        .collect();
    let columns = sizes.get(1).copied().unwrap_or(1);
    Ok(Array2::from_shape_vec((sizes[0], columns), values)?)
}

fn flags(values: &Array2<f64>) -> Array1<bool> {
    values.iter().map(|value| *value > 0.5).collect()
}

/// Three runs of the timed scope; the last result.
fn timed<T>(mut work: impl FnMut() -> Outcome<T>) -> Outcome<(Vec<f64>, T)> {
    let mut times = Vec::new();
    loop {
        let start = Instant::now();
        let result = work()?;
        times.push(start.elapsed().as_secs_f64());
        if times.len() == 3 {
            return Ok((times, result));
        }
    }
}

/// Ridge logistic regression at scikit-learn's C = 1: strength 1 / rows, raw units. The optimality
/// gap is a tenth of scikit-learn's default tolerance, which is on the same scale.
fn logistic(data: &Path) -> Outcome<(Vec<f64>, serde_json::Value)> {
    let (x, y) = (load(data, "c1_Xs_tr")?, flags(&load(data, "c1_y_tr")?));
    let (test, truth) = (load(data, "c1_Xs_te")?, flags(&load(data, "c1_y_te")?));
    let strength = 1.0 / x.nrows() as f64;
    let cohort = linfa::Dataset::new(x, y);
    let params = LogisticRegression::params()
        .strength(strength)
        .standardize(false)
        .tolerance(1e-5);
    let (times, model) = timed(|| Ok(params.fit(&cohort)?))?;
    let start = Instant::now();
    let risk = model.predict_risk(&test)?;
    let predict = start.elapsed().as_secs_f64();
    let auc = auroc(&truth.to_vec(), &risk.to_vec(), None)?;
    let coefficients: Vec<f64> = model.coefficients().iter().map(|(_, b)| *b).collect();
    Ok((
        times,
        json!({"auc": auc, "predict_s": predict, "gap": model.optimality_gap(), "iterations": model.iterations(),
               "intercept": model.intercept(), "coefficients": coefficients}),
    ))
}

/// Gradient boosting of 100 trees with 31 leaves at a rate of 0.1 on at most 255 bins, binning included.
fn boosting(data: &Path, name: &str) -> Outcome<(Vec<f64>, serde_json::Value)> {
    let x = load(data, &format!("{name}_X_tr"))?;
    let y = flags(&load(data, &format!("{name}_y_tr"))?);
    let test = load(data, &format!("{name}_X_te"))?;
    let truth = flags(&load(data, &format!("{name}_y_te"))?);
    let cohort = linfa::Dataset::new(x, y);
    let params = GradientBoosting::params();
    let before = resident(true);
    let (times, model) = timed(|| Ok(params.clone().fit(&cohort)?))?;
    let taken = resident(false)
        .zip(before)
        .map(|(after, before)| after - before);
    let start = Instant::now();
    let risk = model.predict_risk(&test)?;
    let predict = start.elapsed().as_secs_f64();
    let auc = auroc(&truth.to_vec(), &risk.to_vec(), None)?;
    Ok((
        times,
        json!({"auc": auc, "predict_s": predict, "peak_mb": taken}),
    ))
}

/// Risks of 1,000,000 rows by 100 trees of 31 leaves, fitted on other 100,000.
fn predictions(data: &Path) -> Outcome<(Vec<f64>, serde_json::Value)> {
    let (x, y) = (load(data, "c1_X_tr")?, flags(&load(data, "c1_y_tr")?));
    let (rows, truth) = (load(data, "c2_X_tr")?, flags(&load(data, "c2_y_tr")?));
    let model = GradientBoosting::params().fit(&linfa::Dataset::new(x, y))?;
    let (times, risk) = timed(|| Ok(model.predict_risk(&rows)?))?;
    let auc = auroc(&truth.to_vec(), &risk.to_vec(), None)?;
    Ok((times, json!({"auc": auc})))
}

/// Most megabytes that were resident, where the system says so (Linux); `anew` forgets those before.
fn resident(anew: bool) -> Option<f64> {
    if anew {
        std::fs::write("/proc/self/clear_refs", "5").ok()?;
    }
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1024.0)
}

/// One tree of depth 8, Gini, leaves of any size, not pruned, on at most 255 bins, binning included.
fn one_tree(data: &Path) -> Outcome<(Vec<f64>, serde_json::Value)> {
    let (x, y) = (load(data, "c1_Xi_tr")?, flags(&load(data, "c1_y_tr")?));
    let (test, truth) = (load(data, "c1_Xi_te")?, flags(&load(data, "c1_y_te")?));
    let cohort = linfa::Dataset::new(x, y);
    let params = DecisionTree::params()
        .max_depth(8)
        .min_leaf_rows(1)
        .pruning(galen::classification::Pruning::None);
    let (times, model) = timed(|| Ok(params.clone().fit(&cohort)?))?;
    let start = Instant::now();
    let risk = model.predict_risk(&test)?;
    let predict = start.elapsed().as_secs_f64();
    let auc = auroc(&truth.to_vec(), &risk.to_vec(), None)?;
    Ok((
        times,
        json!({"auc": auc, "predict_s": predict, "leaves": model.n_leaves()}),
    ))
}

/// A forest with these settings, binning included.
fn forest(data: &Path, params: RandomForestParams) -> Outcome<(Vec<f64>, serde_json::Value)> {
    let (x, y) = (load(data, "c1_X_tr")?, flags(&load(data, "c1_y_tr")?));
    let test = load(data, "c1_X_te")?;
    let truth = flags(&load(data, "c1_y_te")?);
    let cohort = linfa::Dataset::new(x, y);
    let (times, model) = timed(|| Ok(params.clone().fit(&cohort)?))?;
    let start = Instant::now();
    let risk = model.predict_risk(&test)?;
    let predict = start.elapsed().as_secs_f64();
    let auc = auroc(&truth.to_vec(), &risk.to_vec(), None)?;
    let pairs = risk.iter().zip(truth.iter());
    let loss = pairs.map(|(p, y)| -(if *y { *p } else { 1.0 - p }).max(1e-15).ln());
    let loss = loss.sum::<f64>() / risk.len() as f64;
    Ok((
        times,
        json!({"auc": auc, "log_loss": loss, "predict_s": predict, "leaves": model.n_leaves()}),
    ))
}

/// How many features a node serve best, by the trees that did not see a row: where the 12 of c1_rf come
/// from. Tested rows have no part in it.
fn features_per_node(data: &Path) -> Outcome<(Vec<f64>, serde_json::Value)> {
    let (x, y) = (load(data, "c1_X_tr")?, flags(&load(data, "c1_y_tr")?));
    let truth = y.to_vec();
    let cohort = linfa::Dataset::new(x, y);
    let (mut times, mut found) = (Vec::new(), Vec::new());
    for features in [4, 7, 9, 12, 16, 25, 50] {
        let start = Instant::now();
        let params = RandomForest::params().features_per_node(FeaturesPerNode::Count(features));
        let (_, out_of_bag) = params
            .check()?
            .fit_with_oob(&cohort, &galen::estimator::Control::silent())?;
        times.push(start.elapsed().as_secs_f64());
        let risk = out_of_bag.proba().column(1).to_vec();
        found.push(json!({"features": features, "log_loss": out_of_bag.log_loss(), "auc": auroc(&truth, &risk, None)?}));
    }
    Ok((times, json!(found)))
}

/// Exact attributions of 10,000 rows by 100 trees of 31 leaves.
fn attributions(data: &Path) -> Outcome<(Vec<f64>, serde_json::Value)> {
    let (x, y) = (load(data, "c1_X_tr")?, flags(&load(data, "c1_y_tr")?));
    let test = load(data, "c1_X_te")?;
    let some = test.select(galen::ndarray::Axis(0), &(0..10_000).collect::<Vec<_>>());
    let model = GradientBoosting::params().fit(&linfa::Dataset::new(x, y))?;
    let (times, found) = timed(|| Ok(galen::explain::tree_shap(&model, &some)?))?;
    let raw = model.decision(&some)?;
    let sums = found.sum();
    let worst = sums
        .iter()
        .zip(raw.iter())
        .map(|(sum, raw)| (sum - raw).abs())
        .fold(0.0, f64::max);
    Ok((times, json!({"additivity_err": worst})))
}

/// Elastic-net path of 100 penalties, l1 ratio 0.5, optimality gap 1e-6.
fn path(data: &Path) -> Outcome<(Vec<f64>, serde_json::Value)> {
    let (x, y) = (load(data, "c1_Xs_tr")?, flags(&load(data, "c1_y_tr")?));
    let cohort = linfa::Dataset::new(x, y);
    let params = LogisticRegression::path()
        .l1_ratio(0.5)
        .n_strengths(100)
        .min_ratio(1e-4)
        .tolerance(1e-6);
    let (times, path) = timed(|| Ok(params.fit(&cohort)?))?;
    let gap = path
        .models()
        .iter()
        .map(|m| m.optimality_gap())
        .fold(0.0, f64::max);
    let last = path.models().last().ok_or("empty path")?;
    let steps: u64 = path.models().iter().map(|m| m.iterations()).sum();
    Ok((
        times,
        json!({"gap": gap, "n": path.models().len(), "first": path.strengths()[0], "steps": steps,
               "last_deviance": last.deviance(), "last_active": last.n_active()}),
    ))
}

/// AUROC and AUPRC of a million scores: `m1_score` and `m1_truth` of DATA, drawn and written there
/// the first time, so that a peer reads the same bytes.
fn metrics(data: &Path) -> Outcome<(Vec<f64>, serde_json::Value)> {
    if !data.join("m1_truth.bin").exists() {
        draw_scores(data)?;
    }
    let score = load(data, "m1_score")?.into_raw_vec_and_offset().0;
    let truth = flags(&load(data, "m1_truth")?).to_vec();
    let (times, value) =
        timed(|| Ok((auroc(&truth, &score, None)?, auprc(&truth, &score, None)?)))?;
    Ok((times, json!({"auroc": value.0, "auprc": value.1})))
}

fn draw_scores(data: &Path) -> Outcome<()> {
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let score: Vec<f64> = (0..1_000_000).map(|_| next()).collect();
    let truth: Vec<f64> = score
        .iter()
        .map(|s| f64::from(next() < 0.05 + 0.15 * s))
        .collect();
    for (name, values) in [("m1_score", &score), ("m1_truth", &truth)] {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        std::fs::write(data.join(format!("{name}.bin")), bytes)?;
        let shape = json!({"shape": [values.len(), 1]}).to_string();
        std::fs::write(data.join(format!("{name}.json")), shape)?;
    }
    Ok(())
}

/// One aligned row, scored a million times; seconds per million are microseconds per row.
fn score(data: &Path) -> Outcome<(Vec<f64>, serde_json::Value)> {
    use galen::classification::logistic::Cell;
    let (x, y) = (load(data, "c1_Xs_tr")?, flags(&load(data, "c1_y_tr")?));
    let rows: Vec<Vec<Cell<'_>>> = x
        .rows()
        .into_iter()
        .take(1000)
        .map(|row| row.iter().map(|value| Cell::Number(*value)).collect())
        .collect();
    let model = LogisticRegression::params()
        .strength(1e-5)
        .fit(&linfa::Dataset::new(x, y))?;
    let scorer = model.scorer()?;
    let (times, total) = timed(|| {
        let mut total = 0.0;
        for _ in 0..1000 {
            for row in &rows {
                total += scorer.risk(row)?;
            }
        }
        Ok(total)
    })?;
    Ok((
        times,
        json!({"unit": "microseconds per row", "mean_risk": total / 1e6}),
    ))
}

/// A CSV (gzip allowed) into a matrix; DATA is the path of the file.
fn csv(file: &Path) -> Outcome<(Vec<f64>, serde_json::Value)> {
    let (times, table) = timed(|| {
        Ok(galen::ingest::TableReader::new()
            .missing_tokens(["?"])
            .declare(Feature::category("diag_1"))
            .declare(Feature::category("diag_2"))
            .declare(Feature::category("diag_3"))
            .read(std::fs::File::open(file)?)?)
    })?;
    Ok((
        times,
        json!({"rows": table.n_rows(), "columns": table.matrix().n_columns()}),
    ))
}

/// Least supports, as counts, at which the two tables have about so many frequent sets.
const LEAST: [(&str, u64); 6] = [
    ("dx_1e4", 384),
    ("dx_1e5", 103),
    ("dx_1e6", 30),
    ("quest_1e4", 285),
    ("quest_1e5", 28),
    ("quest_1e6", 8),
];

/// `a1_TABLE_SIZE`, TABLE `dx` or `quest`, SIZE `1e4`, `1e5` or `1e6`; `_closed`, `_maximal` or
/// `_generators` for those sets instead of all frequent ones, `_count` for their number alone. DATA holds
/// `TABLE.txt`, one patient per line, items as numbers. The environment's MINSUP stands for the least
/// support, as a count.
///
/// Timed is all that happens between lists of items in memory and sets in memory: baskets of named items
/// and the search. `mine_s` is the search alone.
fn association(data: &Path, task: &str) -> Outcome<(Vec<f64>, serde_json::Value)> {
    if task == "a1_seq" {
        return sequences(data);
    }
    let mut parts = task.split('_').skip(1);
    let (table, size) = parts.next().zip(parts.next()).ok_or("a1_TABLE_SIZE")?;
    let (mut kind, mut counting) = (SetKind::Frequent, false);
    for part in parts {
        match part {
            "closed" => kind = SetKind::Closed,
            "maximal" => kind = SetKind::Maximal,
            "generators" => kind = SetKind::Generator,
            "count" => counting = true,
            other => return Err(format!("unknown kind of sets {other}").into()),
        }
    }
    let known = LEAST
        .iter()
        .find(|(name, _)| *name == format!("{table}_{size}"));
    let least = match (std::env::var("MINSUP"), known) {
        (Ok(least), _) => least.parse()?,
        (_, Some((_, least))) => *least,
        _ => return Err(format!("unknown task {task}").into()),
    };
    let text = std::fs::read_to_string(data.join(format!("{table}.txt")))?;
    // Numbered items, as the peers have them.
    let number = |code: &str| code.parse::<u32>();
    let line = |line: &str| {
        line.split_whitespace()
            .map(number)
            .collect::<Result<Vec<u32>, _>>()
    };
    let lines: Vec<Vec<u32>> = text.lines().map(line).collect::<Result<_, _>>()?;
    let n_items = lines.iter().flatten().max().map_or(0, |most| most + 1);
    let names: Vec<String> = (0..n_items).map(|item| item.to_string()).collect();
    let params = FrequentItemsets::params()
        .min_count(least)
        .kind(kind)
        .check()?;
    let mut search = Vec::new();
    let before = resident(true);
    let (times, found) = timed(|| {
        let pairs = lines
            .iter()
            .enumerate()
            .flat_map(|(row, line)| line.iter().map(move |i| (row, *i)));
        let items = Items::from_codes(lines.len(), pairs, &names, &Hierarchy::default())?;
        let start = Instant::now();
        let found = if counting {
            params.count(&items)?.iter().sum()
        } else {
            params.mine(&items)?.len() as u64
        };
        search.push(start.elapsed().as_secs_f64());
        Ok(found)
    })?;
    let taken = resident(false)
        .zip(before)
        .map(|(after, before)| after - before);
    Ok((
        times,
        json!({"itemsets": found, "minsup": least, "mine_s": search, "peak_mb": taken}),
    ))
}

/// All sequential patterns of at least MINSUP (300) of the sequences of `seq.txt`, one item a step.
fn sequences(data: &Path) -> Outcome<(Vec<f64>, serde_json::Value)> {
    let least = std::env::var("MINSUP").map_or(Ok(300), |least| least.parse())?;
    let text = std::fs::read_to_string(data.join("seq.txt"))?;
    let steps = |line: &str| -> Result<Vec<u32>, _> {
        let codes = line
            .split_whitespace()
            .filter(|code| !matches!(*code, "-1" | "-2"));
        codes.map(str::parse).collect()
    };
    let lines: Vec<Vec<u32>> = text.lines().map(steps).collect::<Result<_, _>>()?;
    let n_items = lines.iter().flatten().max().map_or(0, |most| most + 1);
    let names: Vec<String> = (0..n_items).map(|item| format!("{item:04}")).collect();
    let (times, found) = timed(|| {
        let events = lines.iter().enumerate().flat_map(|(patient, steps)| {
            let step =
                |(day, code): (usize, &u32)| (patient, day as i32, names[*code as usize].as_str());
            steps.iter().enumerate().map(step).collect::<Vec<_>>()
        });
        let histories = Histories::from_days(lines.len(), events)?;
        Ok(PrefixSpan::params().min_count(least).mine(&histories)?)
    })?;
    let longer = found
        .iter()
        .filter(|sequence| sequence.steps.len() > 1)
        .count();
    Ok((
        times,
        json!({"patterns": found.len(), "longer_than_1": longer, "minsup": least}),
    ))
}
