//! C55-C64, C77: laws of outputs, and what a model may not touch.

use crate::data::{b7, base};
use crate::subject::{Applies, Fitted, Input, Subject, Task, accepted};

const YES: Applies = Applies::Yes;

pub fn c55(subject: &dyn Subject) -> Applies {
    for data in [base(subject.task()), b7(subject.task())] {
        let model = accepted(subject.fit(data.input(), &data.y));
        let far = data.x.mapv(|value| 1e200 * value);
        for rows in [data.input(), Input::Array(far.view())] {
            let found = accepted(model.predict(rows));
            assert!(found.iter().all(|value| !value.is_nan()));
            if subject.task() == Task::Classify {
                assert!(found.iter().all(|value| value.is_finite()));
            }
        }
        assert!(
            model
                .parameters()
                .iter()
                .all(|(_, value)| value.is_finite())
        );
        for term in model.terms() {
            let numbers = [
                term.standard_error,
                term.statistic,
                term.p,
                term.lower,
                term.upper,
            ];
            assert!(numbers.iter().flatten().all(|value| value.is_finite()));
        }
    }
    YES
}

pub fn c56(subject: &dyn Subject) -> Applies {
    if subject.task() != Task::Classify {
        return Applies::No("no probabilities");
    }
    for data in [base(subject.task()), b7(subject.task())] {
        let matrix = data.matrix();
        let model = accepted(subject.fit(Input::Matrix(&matrix), &data.y));
        let all = accepted(
            model
                .probabilities(Input::Matrix(&matrix))
                .expect("a classifier"),
        );
        let labels = model.labels(&matrix).expect("a classifier");
        let classes = &model.header().classes;
        for (row, label) in all.rows().into_iter().zip(labels) {
            assert!(row.iter().all(|p| (0.0..=1.0).contains(p)));
            assert!((row.sum() - 1.0).abs() <= 1e-12);
            // At one half the event.
            let best = usize::from(row[1] >= row[0]);
            assert_eq!(label, classes[best]);
        }
    }
    YES
}

pub fn c57(subject: &dyn Subject) -> Applies {
    let data = b7(subject.task());
    let model = accepted(subject.fit(data.input(), &data.y));
    let Some(decision) = model.decision(data.input()) else {
        return Applies::No("no decision value");
    };
    let (eta, risk) = (accepted(decision), accepted(model.predict(data.input())));
    let mut order: Vec<usize> = (0..eta.len()).collect();
    order.sort_by(|a, b| eta[*a].total_cmp(&eta[*b]));
    assert!(order.windows(2).all(|pair| risk[pair[0]] <= risk[pair[1]]));
    YES
}

pub fn c58(subject: &dyn Subject) -> Applies {
    let data = base(subject.task());
    let model = accepted(subject.fit(data.input(), &data.y));
    let found = accepted(model.predict(data.input()));
    let n = data.y.len() as f64;
    let quality = match subject.task() {
        Task::Classify => {
            let right = |(p, y): (&f64, &f64)| f64::from(u8::from((*p >= 0.5) == (*y == 1.0)));
            found.iter().zip(&data.y).map(right).sum::<f64>() / n
        }
        Task::Regress => {
            let mean = data.y.iter().sum::<f64>() / n;
            let rest: f64 = found
                .iter()
                .zip(&data.y)
                .map(|(p, y)| (p - y).powi(2))
                .sum();
            1.0 - rest / data.y.iter().map(|y| (y - mean).powi(2)).sum::<f64>()
        }
    };
    assert!(quality >= 0.9, "{quality}");
    YES
}

pub fn c61(subject: &dyn Subject) -> Applies {
    let data = base(subject.task());
    let mut weights = vec![1.0; data.y.len()];
    weights[3] = 0.0;
    let model = accepted(subject.fit_weighted(data.input(), &data.y, &weights));
    assert_eq!(model.header().n_rows, data.y.len() as u64 - 1, "rows used");
    let facts = model.facts();
    let mut wanted = vec!["estimator", "rows"];
    if subject.trees() {
        wanted.extend(["events", "features", "leaves"]);
        if subject.name().starts_with("GradientBoosting") {
            wanted.extend(["iterations", "training loss"]);
        }
    } else {
        wanted.push("terms");
    }
    if subject.task() == Task::Classify && !subject.trees() {
        wanted.extend([
            "events",
            "iterations",
            "converged",
            "deviance",
            "null deviance",
        ]);
    }
    for name in wanted {
        assert!(
            facts
                .iter()
                .any(|(known, text)| known == name && !text.is_empty()),
            "{name}"
        );
    }
    assert!(
        model.converged() && model.warnings().is_empty(),
        "{:?}",
        model.warnings()
    );
    assert!(!model.header().crate_version.is_empty() && !model.header().platform.is_empty());
    YES
}

fn inferred(subject: &dyn Subject) -> Option<Vec<Box<dyn Fitted>>> {
    let fits = [base(subject.task()), b7(subject.task())]
        .map(|data| accepted(subject.fit(data.input(), &data.y)));
    fits.iter()
        .all(|model| model.has_inference())
        .then(|| fits.into_iter().collect())
}

pub fn c63(subject: &dyn Subject) -> Applies {
    let Some(models) = inferred(subject) else {
        assert!(subject.penalised());
        return Applies::No("no inference under a penalty");
    };
    for term in models.iter().flat_map(|model| model.terms()) {
        let p = term.p.expect("a p-value");
        assert!(p > 0.0 && p <= 1.0, "{}: {p}", term.name);
    }
    YES
}

pub fn c64(subject: &dyn Subject) -> Applies {
    let Some(models) = inferred(subject) else {
        assert!(subject.penalised());
        return Applies::No("no inference under a penalty");
    };
    for term in models.iter().flat_map(|model| model.terms()) {
        let (lower, upper) = (term.lower.expect("a limit"), term.upper.expect("a limit"));
        assert!(
            lower < term.estimate && term.estimate < upper,
            "{}",
            term.name
        );
    }
    YES
}

pub fn c77(subject: &dyn Subject) -> Applies {
    // Shared by reference and moved between threads: the trait asks for both.
    let data = base(subject.task());
    let model = accepted(subject.fit(data.input(), &data.y));
    let expected = accepted(model.predict(data.input()));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert_eq!(accepted(model.predict(data.input())), expected));
        }
    });
    let moved = std::thread::spawn(move || model.parameters().len());
    assert!(moved.join().expect("no panic") > 0);
    YES
}

/// Nothing in the sources prints, reads the environment or keeps global state.
#[test]
fn silent_and_stateless() {
    let mut folders = vec![std::path::PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src"
    ))];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the sources").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let text = std::fs::read_to_string(&path).expect("a source file");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for line in code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
            {
                for word in [
                    "println!",
                    "eprintln!",
                    "dbg!",
                    "env::var",
                    "static mut",
                    "thread_local!",
                    "OnceLock",
                    "LazyLock",
                ] {
                    assert!(!line.contains(word), "{}: {line}", path.display());
                }
            }
        }
    }
    assert!(files > 40);
}
