#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use proptest::prelude::*;

use super::*;
use crate::estimator::model::ModelHeader;
use crate::matrix::{Feature, Schema};

/// A step function: cut points in order, one more level than cuts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
struct Steps {
    header: ModelHeader,
    cuts: Vec<f64>,
    levels: Vec<f64>,
    columns: Vec<u32>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    header: ModelHeader,
    cuts: Vec<f64>,
    levels: Vec<f64>,
    columns: Vec<u32>,
}

impl From<Steps> for Wire {
    fn from(model: Steps) -> Self {
        Self {
            header: model.header,
            cuts: model.cuts,
            levels: model.levels,
            columns: model.columns,
        }
    }
}

impl TryFrom<Wire> for Steps {
    type Error = Error;

    fn try_from(wire: Wire) -> Result<Self> {
        let model = Self {
            header: wire.header,
            cuts: wire.cuts,
            levels: wire.levels,
            columns: wire.columns,
        };
        model.check()?;
        Ok(model)
    }
}

impl Model for Steps {
    fn header(&self) -> &ModelHeader {
        &self.header
    }
}

impl Persist for Steps {
    const KIND: &'static str = "steps";

    fn check(&self) -> Result<()> {
        if self.levels.len() != self.cuts.len() + 1 || self.columns.len() != self.cuts.len() {
            return refuse("steps: one level more than cuts, one column per cut");
        }
        if !self.cuts.windows(2).all(|pair| pair[0] < pair[1]) {
            return refuse("steps: cuts must increase");
        }
        let n_features = self.header.schema.len();
        if self
            .columns
            .iter()
            .any(|column| *column as usize >= n_features)
        {
            return refuse("steps: column outside the schema");
        }
        Ok(())
    }
}

impl Steps {
    /// What a reader may do with any model that loads.
    fn level_at(&self, x: f64) -> f64 {
        self.levels[self.cuts.partition_point(|cut| *cut <= x)]
    }
}

/// The same layout under another kind, and with a younger layout.
macro_rules! twin {
    ($name:ident, $kind:literal, $layout:literal) => {
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(transparent)]
        struct $name(Steps);

        impl Model for $name {
            fn header(&self) -> &ModelHeader {
                self.0.header()
            }
        }

        impl Persist for $name {
            const KIND: &'static str = $kind;
            const LAYOUT: u16 = $layout;

            fn check(&self) -> Result<()> {
                self.0.check()
            }
        }
    };
}
twin!(Other, "other", 1);
twin!(Younger, "steps", 2);

fn steps() -> Steps {
    let schema = Schema::new(vec![
        Feature::numeric("age").unit("a"),
        Feature::category("sex"),
    ])
    .unwrap();
    let mut header = ModelHeader::new("Steps", schema, false);
    header.lineage.origin = Some(u64::MAX);
    Steps {
        header,
        cuts: vec![-0.0, 0.1 + 0.2, 1e300],
        levels: vec![5e-324, -1.0 / 3.0, f64::MAX, std::f64::consts::PI],
        columns: vec![0, 1, 0],
    }
}

fn is_saved(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Saved(_))
}

fn bits(model: &Steps) -> Vec<u64> {
    let numbers = model.cuts.iter().chain(&model.levels);
    numbers.map(|number| number.to_bits()).collect()
}

/// Any outcome but a wrong model: an error, or one that keeps its invariants and saves stably.
fn must_hold(result: Result<Saved<Steps>>) -> bool {
    let Ok(saved) = result else {
        return false;
    };
    saved.model().check().unwrap();
    for x in [-1.0, 0.2, f64::INFINITY] {
        assert!(saved.model().level_at(x).is_finite());
    }
    let bytes = saved.to_bytes().unwrap();
    assert_eq!(
        Saved::<Steps>::from_bytes(&bytes)
            .unwrap()
            .to_bytes()
            .unwrap(),
        bytes
    );
    true
}

#[test]
fn both_forms_keep_every_bit_and_save_again_alike() {
    for saved in [
        Saved::new(steps()),
        Saved::new(steps()).created(Time(1_700_000_000_000_000)),
    ] {
        let text = saved.to_json().unwrap();
        let read = Saved::<Steps>::from_json(&text).unwrap();
        assert_eq!(read, saved);
        assert_eq!(bits(read.model()), bits(saved.model()));
        assert_eq!(read.to_json().unwrap(), text);

        let bytes = saved.to_bytes().unwrap();
        let read = Saved::<Steps>::from_bytes(&bytes).unwrap();
        assert_eq!(read, saved);
        assert_eq!(bits(read.model()), bits(saved.model()));
        assert_eq!(read.to_bytes().unwrap(), bytes);
        assert_eq!(read.created_at(), saved.created_at());
    }
}

#[test]
fn numbers_that_are_not_finite_are_refused_at_save_and_at_load() {
    for bad in [f64::NAN, f64::INFINITY] {
        let mut model = steps();
        model.levels[1] = bad;
        let saved = Saved::new(model.clone());
        for error in [saved.to_json().unwrap_err(), saved.to_bytes().unwrap_err()] {
            assert!(
                error.to_string().contains("field `levels` holds"),
                "{error}"
            );
        }
        let bytes = forged(&Wire::from(model));
        let error = Saved::<Steps>::from_bytes(&bytes).unwrap_err();
        assert!(error.to_string().contains("levels"), "{error}");
    }
}

#[test]
fn stored_rows_need_an_explicit_word() {
    let mut model = steps();
    model.header.contains_training_rows = true;
    let saved = Saved::new(model);
    for error in [saved.to_json().unwrap_err(), saved.to_bytes().unwrap_err()] {
        assert!(matches!(error.kind(), ErrorKind::Disclosure(_)));
    }
    let saved = saved.allow_training_rows();
    let bytes = saved.to_bytes().unwrap();
    let read = Saved::<Steps>::from_bytes(&bytes).unwrap();
    assert_eq!(read.to_bytes().unwrap(), bytes);
    assert!(
        saved
            .to_json()
            .unwrap()
            .contains("\"contains_training_rows\":true")
    );
    assert!(!format!("{saved:?}").contains("3.14"));
}

#[test]
fn truncation_at_every_byte_is_refused() {
    let text = Saved::new(steps()).to_json().unwrap();
    for end in 0..text.len() {
        assert!(is_saved(
            &Saved::<Steps>::from_json(&text[..end]).unwrap_err()
        ));
    }
    let bytes = Saved::new(steps()).to_bytes().unwrap();
    for end in 0..bytes.len() {
        assert!(is_saved(
            &Saved::<Steps>::from_bytes(&bytes[..end]).unwrap_err()
        ));
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(Saved::<Steps>::from_bytes(&longer).is_err());
    assert!(Saved::<Steps>::from_json(&format!("{text} 1")).is_err());
    assert!(Saved::<Steps>::from_json(&format!("{text}\n")).is_ok());
}

#[test]
fn a_flipped_bit_is_refused_wherever_it_stands() {
    let saved = Saved::new(steps());
    let bytes = saved.to_bytes().unwrap();
    for position in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[position] ^= 1 << bit;
            assert!(
                Saved::<Steps>::from_bytes(&changed).is_err(),
                "{position} {bit}"
            );
        }
    }
    let text = saved.to_json().unwrap().into_bytes();
    for position in 0..text.len() {
        for bit in 0..8 {
            let mut changed = text.clone();
            changed[position] ^= 1 << bit;
            if let Ok(changed) = std::str::from_utf8(&changed) {
                assert!(
                    Saved::<Steps>::from_json(changed).is_err(),
                    "{position} {bit}"
                );
            }
        }
    }
}

/// Bytes of any wire content under a right checksum: what a hostile writer can make.
fn forged(wire: &Wire) -> Vec<u8> {
    sealed_bytes(&postcard::to_stdvec(wire).unwrap())
}

fn sealed_bytes(payload: &[u8]) -> Vec<u8> {
    let head = Saved::new(steps()).head().unwrap();
    frame(CRATE_VERSION, &head, payload).unwrap()
}

#[test]
fn a_right_checksum_does_not_excuse_wrong_content() {
    let good = Wire::from(steps());
    assert!(must_hold(Saved::from_bytes(&forged(&good))));
    let longer = [postcard::to_stdvec(&good).unwrap(), vec![0]].concat();
    let error = Saved::<Steps>::from_bytes(&sealed_bytes(&longer)).unwrap_err();
    assert!(error.to_string().contains("1 bytes too many"), "{error}");
    let mutations: [fn(&mut Wire); 11] = [
        |wire| wire.cuts.clear(),
        |wire| wire.cuts.push(f64::MAX),
        |wire| wire.levels.truncate(1),
        |wire| wire.columns.push(0),
        |wire| wire.columns[1] = 2,
        |wire| wire.columns[1] = u32::MAX,
        |wire| wire.cuts[1] = f64::NAN,
        |wire| wire.levels[0] = f64::NEG_INFINITY,
        |wire| std::mem::swap(&mut wire.cuts, &mut wire.levels),
        |wire| wire.cuts.reverse(),
        |wire| wire.header.schema = Schema::new(Vec::new()).unwrap(),
    ];
    for (number, mutate) in mutations.iter().enumerate() {
        let mut wire = good.clone();
        mutate(&mut wire);
        assert!(
            Saved::<Steps>::from_bytes(&forged(&wire)).is_err(),
            "mutation {number}"
        );
    }
    let mut renamed = good.clone();
    renamed.header.schema =
        Schema::new(vec![Feature::numeric("age"), Feature::category("sex")]).unwrap();
    let error = Saved::<Steps>::from_bytes(&forged(&renamed)).unwrap_err();
    assert!(error.to_string().contains("schema"), "{error}");
    let mut rows = good;
    rows.header.contains_training_rows = true;
    let error = Saved::<Steps>::from_bytes(&forged(&rows)).unwrap_err();
    assert!(
        error.to_string().contains("contains_training_rows"),
        "{error}"
    );
}

#[test]
fn payload_bits_flipped_under_a_right_checksum_never_give_a_broken_model() {
    let payload = postcard::to_stdvec(&steps()).unwrap();
    let mut loaded = 0;
    for position in 0..payload.len() {
        for bit in 0..8 {
            let mut changed = payload.clone();
            changed[position] ^= 1 << bit;
            loaded += usize::from(must_hold(Saved::from_bytes(&sealed_bytes(&changed))));
        }
        assert!(Saved::<Steps>::from_bytes(&sealed_bytes(&payload[..position])).is_err());
    }
    // Mantissa bits of levels give other valid models; most of the rest must not.
    assert!(loaded > 0 && loaded < payload.len() * 8);
}

#[test]
fn a_huge_length_reserves_nothing() {
    // The payload ends in: a list of three column numbers.
    let payload = postcard::to_stdvec(&steps()).unwrap();
    assert_eq!(payload[payload.len() - 4..], [3, 0, 1, 0]);
    let mut huge = payload[..payload.len() - 4].to_vec();
    huge.extend([0xff; 9]);
    huge.push(1);
    assert!(Saved::<Steps>::from_bytes(&sealed_bytes(&huge)).is_err());
}

fn edited(from: &str, to: &str) -> Error {
    let text = Saved::new(steps()).to_json().unwrap();
    assert!(text.contains(from), "{text}");
    Saved::<Steps>::from_json(&text.replacen(from, to, 1)).unwrap_err()
}

#[test]
fn versions_kinds_and_fields_that_are_unknown_are_named() {
    let newer = edited(
        "\"format\":1,\"crate_version\":\"0.1.0\"",
        "\"format\":2,\"crate_version\":\"9.8.7\"",
    );
    let text = newer.to_string();
    assert!(
        text.contains("galen 9.8.7 in format 2") && text.contains("with format 1"),
        "{text}"
    );
    assert!(
        edited("galen-model", "other-model")
            .to_string()
            .contains("magic")
    );
    let field = edited("\"crc32\"", "\"extra\":0,\"crc32\"").to_string();
    assert!(
        field.contains("unknown field `extra`") && field.contains("format 1"),
        "{field}"
    );
    assert!(
        edited("\"created\":null", "\"created\":3")
            .to_string()
            .contains("checksum")
    );

    let mut bytes = Saved::new(steps()).to_bytes().unwrap();
    bytes[8] = 7;
    let text = Saved::<Steps>::from_bytes(&bytes).unwrap_err().to_string();
    assert!(
        text.contains("in format 7") && text.contains("with format 1"),
        "{text}"
    );

    let other = Saved::new(Other(steps()));
    for error in [
        Saved::<Steps>::from_json(&other.to_json().unwrap()).unwrap_err(),
        Saved::<Steps>::from_bytes(&other.to_bytes().unwrap()).unwrap_err(),
    ] {
        assert!(
            error.to_string().contains("kind `other`, expected `steps`"),
            "{error}"
        );
    }
}

#[test]
fn an_unknown_field_of_the_model_is_refused_under_a_right_checksum() {
    let text = Saved::new(steps()).to_json().unwrap();
    let payload = serde_json::to_string(&steps()).unwrap();
    let reseal = |payload: &str| {
        let head = Saved::new(steps()).head().unwrap();
        let model: &RawValue = serde_json::from_str(payload).unwrap();
        let envelope = JsonEnvelope {
            magic: JSON_MAGIC.into(),
            format: FORMAT,
            crate_version: CRATE_VERSION.into(),
            crc32: checksum(CRATE_VERSION, &head, payload.as_bytes()).unwrap(),
            head,
            model,
        };
        serde_json::to_string(&envelope).unwrap()
    };
    assert_eq!(reseal(&payload), text);
    for (from, to, message) in [
        ("\"cuts\"", "\"depth\":3,\"cuts\"", "unknown field `depth`"),
        ("\"cuts\"", "\"cuts\":[],\"cuts\"", "duplicate field `cuts`"),
        (
            "\"columns\":[0,1,0]",
            "\"columns\":[0,-1,0]",
            "another type",
        ),
        (
            "\"columns\":[0,1,0]",
            "\"columns\":[0,9,0]",
            "column outside",
        ),
        (
            "\"columns\":[0,1,0]",
            "\"columns\":\"secret\"",
            "another type",
        ),
        ("3.141592653589793", "1e999", "not well-formed"),
    ] {
        assert!(payload.contains(from));
        let changed = payload.replacen(from, to, 1);
        let error = Saved::<Steps>::from_json(&reseal(&changed))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(message) && error.contains("format 1"),
            "{error}"
        );
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn older_layouts_load_from_text_and_younger_ones_never() {
    let old = Saved::new(steps());
    assert!(Saved::<Younger>::from_json(&old.to_json().unwrap()).is_ok());
    let error = Saved::<Younger>::from_bytes(&old.to_bytes().unwrap()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("layout 1 of `steps`, expected 2"),
        "{error}"
    );
    let young = Saved::new(Younger(steps()));
    assert!(Saved::<Steps>::from_json(&young.to_json().unwrap()).is_err());
    assert!(Saved::<Steps>::from_bytes(&young.to_bytes().unwrap()).is_err());
}

#[test]
fn limits_hold_before_parsing() {
    let saved = Saved::new(steps());
    let (text, bytes) = (saved.to_json().unwrap(), saved.to_bytes().unwrap());
    let small = Limits::default().max_bytes(100);
    for error in [
        Saved::<Steps>::from_json_with(&text, &small).unwrap_err(),
        Saved::<Steps>::from_bytes_with(&bytes, &small).unwrap_err(),
    ] {
        assert!(matches!(
            error.kind(),
            ErrorKind::TooLarge { ceiling: 100, .. }
        ));
    }
    let exact = Limits::default().max_bytes(text.len());
    assert!(Saved::<Steps>::from_json_with(&text, &exact).is_ok());
    assert!(Saved::<Steps>::from_json_with(&text, &Limits::default().max_depth(3)).is_err());

    let deep = "[".repeat(1 << 20);
    let error = Saved::<Steps>::from_json(&deep).unwrap_err();
    assert!(error.to_string().contains("32 levels"), "{error}");
    // Brackets within strings are no nesting.
    let quoted = format!("{{\"magic\":\"\\\"{}\"}}", "[".repeat(100));
    let error = Saved::<Steps>::from_json(&quoted).unwrap_err();
    assert!(error.to_string().contains("magic"), "{error}");
}

#[test]
fn a_broken_model_is_not_written() {
    let mut model = steps();
    model.columns[0] = 9;
    assert!(is_saved(&Saved::new(model).to_json().unwrap_err()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_bytes_never_load(tail in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Saved::<Steps>::from_bytes(&tail).is_err());
        let dressed = [BYTES_MAGIC, &FORMAT.to_le_bytes(), &tail].concat();
        prop_assert!(Saved::<Steps>::from_bytes(&dressed).is_err());
        prop_assert!(Saved::<Steps>::from_json(&String::from_utf8_lossy(&tail)).is_err());
    }

    #[test]
    fn an_arbitrary_payload_under_a_right_checksum_is_refused_or_sound(
        payload in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        must_hold(Saved::from_bytes(&sealed_bytes(&payload)));
    }

    #[test]
    fn spliced_payloads_are_refused_or_sound(
        at in any::<prop::sample::Index>(),
        cut in 0_usize..6,
        insert in prop::collection::vec(any::<u8>(), 0..6),
    ) {
        let mut payload = postcard::to_stdvec(&steps()).unwrap();
        let start = at.index(payload.len());
        let end = (start + cut).min(payload.len());
        payload.splice(start..end, insert);
        must_hold(Saved::from_bytes(&sealed_bytes(&payload)));
    }

    #[test]
    fn every_bit_of_any_number_survives_both_forms(
        levels in prop::collection::vec(prop::num::f64::ANY, 4),
    ) {
        let mut model = steps();
        model.levels = levels;
        if model.levels.iter().all(|level| level.is_finite()) {
            let saved = Saved::new(model);
            let read = Saved::<Steps>::from_json(&saved.to_json().unwrap()).unwrap();
            prop_assert_eq!(bits(read.model()), bits(saved.model()));
            let read = Saved::<Steps>::from_bytes(&saved.to_bytes().unwrap()).unwrap();
            prop_assert_eq!(bits(read.model()), bits(saved.model()));
        } else {
            prop_assert!(Saved::new(model).to_json().is_err());
        }
    }
}
