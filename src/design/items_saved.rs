//! What is read of a saved itemizer before it is checked.

use serde::Deserialize;

use crate::design::item_rule::Rule;
use crate::design::{Itemizer, Unit};
use crate::error::{Error, ErrorKind, Result};
use crate::matrix::Schema;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawItemizer {
    schema: Schema,
    unit: Unit,
    rules: Vec<Rule>,
    names: Vec<String>,
    ids: Vec<Vec<u32>>,
    above: Vec<Vec<u32>>,
}

impl TryFrom<RawItemizer> for Itemizer {
    type Error = Error;

    fn try_from(raw: RawItemizer) -> Result<Self> {
        let n_items = raw.names.len();
        let known = |item: &u32| (*item as usize) < n_items;
        let mut sound = raw.rules.len() == raw.schema.len()
            && raw.ids.len() == raw.rules.len()
            && raw.above.len() == n_items;
        // Every item is named as its feature and rule name it.
        for ((rule, feature), ids) in raw.rules.iter().zip(raw.schema.features()).zip(&raw.ids) {
            let names = rule.names(feature);
            let same = |(name, item): (&String, &u32)| raw.names.get(*item as usize) == Some(name);
            sound &= rule.is_sound()
                && rule.fits(feature)
                && names.len() == ids.len()
                && names.iter().zip(ids).all(same);
        }
        for above in &raw.above {
            sound &= above.windows(2).all(|pair| pair[0] < pair[1]) && above.iter().all(known);
        }
        if !sound {
            let text = "items: parts contradict one another";
            return Err(ErrorKind::Saved(text.into()).into());
        }
        Ok(Self {
            schema: raw.schema,
            unit: raw.unit,
            rules: raw.rules,
            names: raw.names,
            ids: raw.ids,
            above: raw.above,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::design::{Hierarchy, ItemParams, Itemizer};
    use crate::matrix::{Column, Feature, PatientMatrix};

    #[test]
    fn an_itemizer_that_contradicts_itself_is_refused() {
        let sex = ["f", "m", "f"].map(|sex| Some(sex.to_string()));
        let rows = PatientMatrix::from_columns([("age", vec![30.0, 50.0, 70.0])])
            .unwrap()
            .with_column(Feature::category("sex"), Column::categorical(sex))
            .unwrap();
        let above = Hierarchy::new([("sex = f", "person"), ("sex = m", "person")]).unwrap();
        let params = ItemParams::default()
            .cuts("age", [40.0, 60.0])
            .hierarchy(above);
        let itemizer = params.learn(&rows).unwrap();
        let text = serde_json::to_string(&itemizer).unwrap();
        let read: Itemizer = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&read, read.items(&rows).unwrap()),
            (&itemizer, itemizer.items(&rows).unwrap())
        );
        for (from, to) in [
            ("\"ids\":[[0,1,2]", "\"ids\":[[0,1,9]"),
            ("\"ids\":[[0,1,2]", "\"ids\":[[0,1]"),
            ("\"ids\":[[0,1,2]", "\"ids\":[[1,0,2]"),
            ("[40.0,60.0]", "[60.0,40.0]"),
            ("[40.0,60.0]", "[60.0]"),
            ("[5]", "[6]"),
            ("\"Levels\":[\"f\",\"m\"]", "\"Levels\":[\"f\"]"),
        ] {
            assert!(text.contains(from), "{from} is not in {text}");
            let broken = text.replacen(from, to, 1);
            assert!(serde_json::from_str::<Itemizer>(&broken).is_err(), "{from}");
        }
    }
}
