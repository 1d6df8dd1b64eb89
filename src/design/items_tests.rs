use super::*;
use crate::matrix::{Column, PatientMatrix, RowKeys};

fn names(items: &Items, unit: usize) -> Vec<&str> {
    items.basket(unit).map(|item| items.name(item)).collect()
}

fn visits() -> PatientMatrix {
    let columns = vec![
        (
            Feature::flag("insulin"),
            Column::dense(vec![0.0, 1.0, f64::NAN, f64::NAN, 0.0]).unwrap(),
        ),
        (
            Feature::category("sex"),
            Column::categorical([Some("f"), Some("f"), Some("m"), Some("m"), None]),
        ),
        (
            Feature::numeric("age").unit("years"),
            Column::dense(vec![40.0, 41.0, 65.0, 66.0, 12.0]).unwrap(),
        ),
        (
            Feature::count("visits"),
            Column::dense(vec![0.0, 0.0, 3.0, 0.0, f64::NAN]).unwrap(),
        ),
    ];
    let matrix = PatientMatrix::new(columns).unwrap();
    matrix
        .with_keys(RowKeys::none().patients(["a", "a", "b", "b", "c"]))
        .unwrap()
}

#[test]
fn a_patient_has_what_any_row_has_and_missing_is_not_absent() {
    let params = ItemParams::default().cuts("age", [40.0, 65.0]);
    let itemizer = params.learn(&visits()).unwrap();
    let items = itemizer.items(&visits()).unwrap();
    assert_eq!(items.n_units(), 3);
    assert_eq!(items.first_rows(), [0, 2, 4]);
    assert_eq!(
        names(&items, 0),
        [
            "insulin",
            "sex = f",
            "age <= 40 years",
            "40 < age <= 65 years"
        ]
    );
    assert_eq!(
        names(&items, 1),
        [
            "sex = m",
            "40 < age <= 65 years",
            "age > 65 years",
            "visits"
        ]
    );
    assert_eq!(names(&items, 2), ["age <= 40 years"]);
    let unknown = |name: &str| items.unknown(items.find(name).unwrap());
    assert_eq!(
        unknown("insulin"),
        [1],
        "c is known not to have it, a has it"
    );
    assert_eq!(unknown("sex = f"), [2]);
    assert_eq!(unknown("visits"), [2]);
    assert!(unknown("age <= 40 years").is_empty());
    let by_visit = params.unit(Unit::Row).learn(&visits()).unwrap();
    let items = by_visit.items(&visits()).unwrap();
    assert_eq!(items.n_units(), 5);
    assert_eq!(items.unknown(0), [2, 3]);
    assert_eq!(items.support(0), 1);
}

#[test]
fn new_rows_have_the_items_of_training() {
    let params = ItemParams::default()
        .quantiles("age", 2)
        .leave_out("visits");
    let params = params.leave_out_level("sex", "m").unit(Unit::Row);
    let itemizer = params.learn(&visits()).unwrap();
    assert_eq!(
        itemizer.names(),
        ["insulin", "sex = f", "age <= 41 years", "age > 41 years"]
    );
    let columns = vec![
        (
            Feature::numeric("age").unit("years"),
            Column::dense(vec![500.0]).unwrap(),
        ),
        (Feature::category("sex"), Column::categorical([Some("x")])),
        (Feature::flag("insulin"), Column::dense(vec![1.0]).unwrap()),
    ];
    let items = itemizer
        .items(&PatientMatrix::new(columns).unwrap())
        .unwrap();
    assert_eq!(names(&items, 0), ["insulin", "age > 41 years"]);
    let mut wire = serde_json::to_value(&itemizer).unwrap();
    assert_eq!(
        serde_json::from_value::<Itemizer>(wire.clone()).unwrap(),
        itemizer
    );
    wire["stranger"] = 1.into();
    assert!(serde_json::from_value::<Itemizer>(wire).is_err());
}

#[test]
fn what_stands_above_comes_along_once() {
    let pairs = [
        ("sex = f", "person"),
        ("sex = m", "person"),
        ("insulin", "drug"),
        ("drug", "thing"),
    ];
    let params = ItemParams::default().leave_out("age").leave_out("visits");
    let params = params.hierarchy(Hierarchy::new(pairs).unwrap());
    let items = params.learn(&visits()).unwrap().items(&visits()).unwrap();
    assert_eq!(
        names(&items, 0),
        ["insulin", "sex = f", "drug", "thing", "person"]
    );
    assert_eq!(names(&items, 1), ["sex = m", "person"]);
    let of = |name: &str| items.find(name).unwrap();
    assert_eq!(items.above(of("insulin")), [of("drug"), of("thing")]);
    assert_eq!(items.above(of("drug")), [of("thing")]);
}

#[test]
fn sparse_columns_have_the_items_of_dense_ones() {
    let entries = vec![(1, 1.0), (4, 2.0), (5, 1.0)];
    let mut dense = vec![0.0; 6];
    for (row, value) in &entries {
        dense[*row] = *value;
    }
    let columns = [
        Column::sparse(6, entries).unwrap(),
        Column::dense(dense).unwrap(),
    ];
    let [sparse, dense] = columns.map(|column| {
        let matrix = PatientMatrix::new(vec![(Feature::count("c"), column)]).unwrap();
        let keys = RowKeys::none().patients([1, 1, 2, 2, 3, 3]);
        let matrix = matrix.with_keys(keys).unwrap();
        ItemParams::default()
            .learn(&matrix)
            .unwrap()
            .items(&matrix)
            .unwrap()
    });
    assert_eq!(sparse, dense);
    assert_eq!(sparse.support(0), 2);
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let refused = |params: ItemParams| params.learn(&visits()).unwrap_err().to_string();
    let start = ItemParams::default;
    assert!(refused(start().other_numbers(0)).contains("other_numbers"));
    assert!(refused(start().cuts("age", [])).contains("`age`"));
    assert!(refused(start().cuts("age", [2.0, 1.0])).contains("increasing"));
    assert!(refused(start().cuts("age", [f64::NAN])).contains("finite"));
    assert!(refused(start().quantiles("age", 0)).contains("quantiles"));
    assert!(refused(start().range("age", 2.0, 2.0)).contains("range"));
    assert!(refused(start().cuts("sex", [1.0])).contains("numbers only"));
    assert!(refused(start().leave_out("aeg")).contains("aeg"));
    let all = ["age", "sex", "insulin", "visits"];
    let nothing = all
        .iter()
        .fold(start(), |params, name| params.leave_out(*name));
    assert!(refused(nothing).contains("no feature"));
    let infinite = PatientMatrix::from_columns([("x", vec![1.0, f64::INFINITY])]).unwrap_err();
    assert!(infinite.to_string().contains("x"));
    assert!(Items::from_pairs(2, [(2, "a")], &Hierarchy::default()).is_err());
}

#[test]
fn a_constant_and_an_empty_number_have_no_cuts() {
    let matrix =
        PatientMatrix::from_columns([("k", vec![7.0; 4]), ("e", vec![f64::NAN; 4])]).unwrap();
    let items = ItemParams::default()
        .learn(&matrix)
        .unwrap()
        .items(&matrix)
        .unwrap();
    assert_eq!(items.names(), ["k known", "e known"]);
    assert_eq!((items.support(0), items.support(1)), (4, 0));
    assert_eq!(items.unknown(1).len(), 4);
}

#[test]
fn columns_of_codes_share_their_items() {
    let column = |codes: [&str; 4]| {
        let code = |code: &str| (!code.is_empty()).then(|| code.to_string());
        Column::categorical(codes.map(code))
    };
    let rows = PatientMatrix::from_columns([("x", vec![1.0; 4])])
        .unwrap()
        .with_column(
            Feature::category("first"),
            column(["I10", "E11", "", "J45"]),
        )
        .unwrap()
        .with_column(
            Feature::category("second"),
            column(["E11", "E11", "I10", "none"]),
        )
        .unwrap();
    let above = Hierarchy::new([("diagnosis E11", "endocrine")]).unwrap();
    let itemizer = ItemParams::default()
        .leave_out("x")
        .codes("diagnosis", ["first", "second"])
        .leave_out_level("second", "none")
        .hierarchy(above)
        .learn(&rows)
        .unwrap();
    let items = itemizer.items(&rows).unwrap();
    assert_eq!(
        items.names(),
        [
            "diagnosis E11",
            "diagnosis I10",
            "diagnosis J45",
            "endocrine"
        ]
    );
    assert_eq!(items.supports(), [2, 2, 1, 2]);
    assert!((0..4).all(|item| items.unknown(item).is_empty()));
    assert_eq!(items.basket(0).collect::<Vec<_>>(), [0, 1, 3]);
    // Two codes of one list may come together.
    assert!(!items.exclude(0, 1));
    let wrong = ItemParams::default().codes("diagnosis", ["x"]).learn(&rows);
    assert!(wrong.unwrap_err().to_string().contains("categories"));
    assert!(
        ItemParams::default()
            .codes("diagnosis", ["third"])
            .learn(&rows)
            .is_err()
    );
}

#[test]
fn ends_of_a_reference_range_are_within_it() {
    let rows = PatientMatrix::from_columns([("na", vec![134.9, 135.0, 145.0, 145.1])]).unwrap();
    let params = ItemParams::default().range("na", 135.0, 145.0);
    let items = params.learn(&rows).unwrap().items(&rows).unwrap();
    let found: Vec<&str> = (0..4).flat_map(|unit| names(&items, unit)).collect();
    let within = "135 <= na <= 145";
    assert_eq!(found, ["na < 135", within, within, "na > 145"]);
}

#[test]
fn quantiles_are_those_of_what_is_known() {
    let nan = f64::NAN;
    let rows = PatientMatrix::from_columns([("x", vec![1.0, nan, 2.0, 3.0, nan, 4.0, nan, 5.0])]);
    let params = ItemParams::default().quantiles("x", 2);
    let itemizer = params.learn(&rows.unwrap()).unwrap();
    assert_eq!(itemizer.names(), ["x <= 3", "x > 3"]);
}
