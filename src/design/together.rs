//! Items that the same units have: one of them says it all.

use std::collections::BTreeMap;

use crate::design::Items;

impl Items {
    /// Groups of items that exactly the same units have, increasing, each of two at least.
    ///
    /// A dose and its route, a code and the only code below it: every one of a group follows from the
    /// others, and every set with one of them comes again with each of the others. Items of nobody, and
    /// items that other units do not know, are not alike. Cost: one pass.
    ///
    /// ```
    /// use galen::design::Items;
    ///
    /// # fn main() -> galen::Result<()> {
    /// let pairs = [(0, "metformin"), (0, "E11"), (2, "metformin"), (2, "E11"), (1, "I10")];
    /// let items = Items::from_pairs(3, pairs, &Default::default())?;
    /// assert_eq!(items.together(), [[0, 2]]); // E11 and metformin
    /// let (rest, groups) = items.collapsed();
    /// assert_eq!(rest.names(), ["E11", "I10"]);
    /// assert_eq!(groups, [["E11", "metformin"]]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn together(&self) -> Vec<Vec<u32>> {
        // Lists of units: most differ in length or in the first units, few are compared in full.
        let mut units = vec![Vec::new(); self.n_items()];
        for unit in 0..self.n_units() {
            for item in self.basket(unit) {
                units[item as usize].push(unit as u32);
            }
        }
        let mut groups: BTreeMap<(&[u32], &[u32]), Vec<u32>> = BTreeMap::new();
        for (item, units) in (0_u32..).zip(&units) {
            if !units.is_empty() {
                let alike = (units.as_slice(), self.unknown(item));
                groups.entry(alike).or_default().push(item);
            }
        }
        let mut groups: Vec<Vec<u32>> = groups
            .into_values()
            .filter(|group| group.len() > 1)
            .collect();
        groups.sort();
        groups
    }

    /// The items whose names are wanted, renumbered in their order.
    ///
    /// ```
    /// use galen::design::Items;
    ///
    /// # fn main() -> galen::Result<()> {
    /// let items = Items::from_pairs(2, [(0, "E11"), (0, "I10"), (1, "I10")], &Default::default())?;
    /// let heart = items.keep(|name| name.starts_with('I'));
    /// assert_eq!((heart.names(), heart.supports()), (&["I10".to_string()][..], vec![2]));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn keep(&self, wanted: impl Fn(&str) -> bool) -> Self {
        let kept: Vec<bool> = self.names().iter().map(|name| wanted(name)).collect();
        self.only(&kept)
    }

    /// The items with one of each group of [`together`](Self::together), the first, and the groups by
    /// name.
    pub fn collapsed(&self) -> (Self, Vec<Vec<String>>) {
        let groups = self.together();
        let mut kept = vec![true; self.n_items()];
        for item in groups.iter().flat_map(|group| &group[1..]) {
            kept[*item as usize] = false;
        }
        let name = |item: &u32| self.name(*item).to_string();
        let names = groups.iter().map(|group| group.iter().map(name).collect());
        (self.only(&kept), names.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::design::{Hierarchy, ItemParams};
    use crate::matrix::PatientMatrix;

    #[test]
    fn groups_are_reported_and_the_rest_renumbered() {
        let above =
            Hierarchy::new([("E11", "endocrine"), ("I10", "heart"), ("I50", "heart")]).unwrap();
        let mut pairs = Vec::new();
        for unit in 0..30 {
            pairs.extend((unit % 2 == 0).then_some((unit, "E11")));
            pairs.extend((unit % 2 == 0).then_some((unit, "metformin")));
            pairs.extend((unit % 3 == 0).then_some((unit, "I10")));
            pairs.extend((unit % 5 == 0).then_some((unit, "I50")));
        }
        let items = Items::from_pairs(30, pairs, &above).unwrap();
        let (rest, groups) = items.collapsed();
        assert_eq!(groups, [["E11", "endocrine", "metformin"]]);
        assert_eq!(rest.names(), ["E11", "I10", "I50", "heart"]);
        // What stands above keeps its place, where it is left.
        let heart = rest.find("heart").unwrap();
        assert_eq!(rest.above(rest.find("I50").unwrap()), [heart]);
        assert!(rest.above(0).is_empty());
        for unit in 0..30 {
            let names = |items: &Items| -> Vec<String> {
                items
                    .basket(unit)
                    .map(|item| items.name(item).into())
                    .collect()
            };
            let all = names(&items).into_iter();
            let expected: Vec<String> = all
                .filter(|n| n != "endocrine" && n != "metformin")
                .collect();
            assert_eq!(names(&rest), expected);
        }
        assert!(rest.together().is_empty());
    }

    #[test]
    fn what_is_not_known_is_not_alike() {
        let nan = f64::NAN;
        let rows = PatientMatrix::from_columns([
            ("a", vec![1.0, 0.0, 0.0]),
            ("b", vec![1.0, nan, 0.0]),
            ("c", vec![1.0, 0.0, 0.0]),
        ])
        .unwrap();
        let params = ["a", "b", "c"]
            .into_iter()
            .fold(ItemParams::default(), |p, n| p.cuts(n, [0.5]));
        let items = params.learn(&rows).unwrap().items(&rows).unwrap();
        let (rest, groups) = items.collapsed();
        assert_eq!(groups, [["a <= 0.5", "c <= 0.5"], ["a > 0.5", "c > 0.5"]]);
        // b's items are those of features still.
        let high = rest.find("b > 0.5").unwrap();
        assert_eq!((rest.unknown(high), rest.n_items()), (&[1][..], 4));
    }
}
