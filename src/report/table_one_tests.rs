use super::*;
use crate::matrix::{Column, Feature};
use crate::report::table_one_groups::spread;

fn levels(parts: &[(&str, usize)]) -> Vec<Option<String>> {
    let of = |(name, n): &(&str, usize)| {
        let level = (!name.is_empty()).then(|| name.to_string());
        std::iter::repeat_n(level, *n)
    };
    parts.iter().flat_map(of).collect()
}

fn groups(sizes: &[(&'static str, usize)]) -> Vec<&'static str> {
    let of = |(name, n): &(&'static str, usize)| std::iter::repeat_n(*name, *n);
    sizes.iter().flat_map(of).collect()
}

fn category(values: Vec<Option<String>>) -> PatientMatrix {
    let column = Column::categorical(values);
    PatientMatrix::new(vec![(Feature::category("sex"), column)]).unwrap()
}

fn table(matrix: &PatientMatrix, group: &[&str]) -> TableOne {
    TableOne::by_group(matrix, group, &TableOneOptions::default()).unwrap()
}

#[test]
fn spread_worked_by_hand() {
    let found = spread(&mut [4.0, 1.0, 3.0, 2.0]).unwrap();
    assert_eq!(
        (found.mean, found.median, found.q1, found.q3),
        (2.5, 2.5, 1.75, 3.25)
    );
    assert!((found.sd - (5.0_f64 / 3.0).sqrt()).abs() < 1e-15);
    assert_eq!(spread(&mut []), None);
}

#[test]
fn difference_of_two_levels_is_the_binary_form() {
    // 30 of 60 against 20 of 80.
    let matrix = category(levels(&[("f", 30), ("m", 30), ("f", 20), ("m", 60)]));
    let found = table(&matrix, &groups(&[("a", 60), ("b", 80)]));
    let expected = 0.25 / f64::sqrt((0.25 + 0.25 * 0.75) / 2.0);
    assert!((found.variables[0].smd.unwrap() - expected).abs() < 1e-12);
}

#[test]
fn difference_of_three_levels_solved_by_hand() {
    // Shares (0.2, 0.3, 0.5) and (0.4, 0.4, 0.2); S over the first two levels is
    // [[0.2, -0.11], [-0.11, 0.225]], so d^2 = (0.2^2 0.225 + 2 0.2 0.1 0.11 + 0.1^2 0.2) / 0.0329.
    let matrix = category(levels(&[
        ("a", 20),
        ("b", 30),
        ("c", 50),
        ("a", 40),
        ("b", 40),
        ("c", 20),
    ]));
    let found = table(&matrix, &groups(&[("x", 100), ("y", 100)]));
    let expected = ((0.04 * 0.225 + 0.04 * 0.11 + 0.01 * 0.2) / 0.0329_f64).sqrt();
    assert!((found.variables[0].smd.unwrap() - expected).abs() < 1e-12);
}

#[test]
fn difference_of_means() {
    let values: Vec<f64> = (0..20)
        .map(f64::from)
        .chain((0..20).map(|i| f64::from(i) + 5.0))
        .collect();
    let matrix = PatientMatrix::from_columns([("x", values)]).unwrap();
    let found = table(&matrix, &groups(&[("a", 20), ("b", 20)]));
    assert!((found.variables[0].smd.unwrap() - 5.0 / 35.0_f64.sqrt()).abs() < 1e-12);
    // With three times the spread: means 9.5 and 28.5, variances 35 and 315.
    let values = (0..20)
        .map(f64::from)
        .chain((0..20).map(|i| 3.0 * f64::from(i)));
    let matrix = PatientMatrix::from_columns([("x", values.collect::<Vec<_>>())]).unwrap();
    let found = table(&matrix, &groups(&[("a", 20), ("b", 20)]));
    assert!((found.variables[0].smd.unwrap() - 19.0 / 175.0_f64.sqrt()).abs() < 1e-12);
}

#[test]
fn a_small_cell_takes_companions_along() {
    // Women of b are 4: the men of b, and the women and men of a, would give them away.
    let matrix = category(levels(&[("f", 40), ("m", 60), ("f", 4), ("m", 46)]));
    let found = table(&matrix, &groups(&[("a", 100), ("b", 50)]));
    assert_eq!(found.variables[0].smd, None);
    let text = found.to_text();
    assert!(!text.contains("4 (8.0 %)") && !text.contains("46 (") && text.contains("* Hidden"));
    let Summary::Levels(levels) = &found.variables[0].summary else {
        panic!("levels expected");
    };
    let hidden = |row: usize| levels[row].1.iter().filter(|cell| cell.n.is_none()).count();
    assert!(hidden(0) >= 2 && hidden(1) >= 2);
    let json = serde_json::to_string(&found).unwrap();
    assert!(!json.contains("\"n\":4,") && !json.contains("\"n\":46,"));
    assert_eq!(serde_json::from_str::<TableOne>(&json).unwrap(), found);
}

#[test]
fn few_missing_values_are_not_worked_out_from_a_flag() {
    let mut values: Vec<f64> = (0..100).map(|i| f64::from(u8::from(i < 40))).collect();
    values[99] = f64::NAN;
    let matrix = PatientMatrix::new(vec![(
        Feature::flag("diabetes"),
        Column::dense(values).unwrap(),
    )])
    .unwrap();
    let found = table(&matrix, &groups(&[("a", 50), ("b", 50)]));
    let Summary::Flag(set) = &found.variables[0].summary else {
        panic!("a flag expected");
    };
    // Unset flags are not printed, so the set ones may stay.
    assert_eq!(found.variables[0].missing[1].n, None);
    assert!(set.iter().all(|cell| cell.n != Some(1)));
}

#[test]
fn a_mean_of_few_rows_is_hidden_with_its_complement() {
    let mut values = vec![f64::NAN; 60];
    values[..30].fill(1.0);
    values[30..33].fill(9.0);
    let matrix = PatientMatrix::from_columns([("lab", values)]).unwrap();
    let found = table(&matrix, &groups(&[("a", 30), ("b", 30)]));
    let Summary::Numbers(cells) = &found.variables[0].summary else {
        panic!("numbers expected");
    };
    assert_eq!(cells[..2], [None, None]);
    assert!(found.variables[0].missing[1].n.is_none());
}

#[test]
fn a_small_group_hides_another() {
    let matrix = category(levels(&[("f", 40), ("m", 40), ("f", 3), ("m", 2)]));
    let found = table(&matrix, &groups(&[("a", 80), ("b", 5)]));
    assert_eq!(found.n_rows, [None, None, Some(85)]);
    let without = TableOneOptions {
        min_count: 1,
        ..TableOneOptions::default()
    };
    let shown = TableOne::by_group(&matrix, &groups(&[("a", 80), ("b", 5)]), &without).unwrap();
    assert_eq!(shown.n_rows, [Some(80), Some(5), Some(85)]);
}

#[test]
fn rare_levels_unite_and_lengths_are_checked() {
    let matrix = category(levels(&[
        ("a", 30),
        ("b", 20),
        ("c", 15),
        ("d", 12),
        ("", 12),
    ]));
    let options = TableOneOptions {
        max_levels: 2,
        overall: false,
        ..TableOneOptions::default()
    };
    let found = TableOne::by_group(&matrix, &["all"; 89], &options).unwrap();
    let Summary::Levels(levels) = &found.variables[0].summary else {
        panic!("levels expected");
    };
    let names: Vec<&str> = levels.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "b", "2 other levels"]);
    assert_eq!(levels[2].1[0].n, Some(27));
    assert_eq!(found.variables[0].missing[0].n, Some(12));
    assert!(TableOne::by_group(&matrix, &["all"; 3], &options).is_err());
}

#[test]
fn the_caption_says_that_weights_do_not_count() {
    let matrix = category(levels(&[("f", 40), ("m", 40)]));
    let events = (0..80).map(|row| row % 2 == 0);
    let cohort = Cohort::new(matrix, Binary::from_flags("died", events));
    let caption = |cohort: &Cohort<Binary>| {
        let table = TableOne::by_outcome(cohort, &TableOneOptions::default());
        table.unwrap().caption
    };
    assert!(!caption(&cohort).contains("weights"));
    let weighted = cohort.with_weights(vec![2.0; 80].into());
    assert!(caption(&weighted).contains("without their weights"));
}
