use proptest::prelude::*;

use super::*;

const SYSTEMS: [CodeSystem; 2] = [CodeSystem::Icd9Cm, CodeSystem::Icd10Cm];

fn parsed(system: CodeSystem, text: &str) -> Code {
    system.parse(text).unwrap_or_else(|_| panic!("{text}"))
}

/// The category before or after a category that ends in digits, across a change of letter.
fn neighbour(category: &str, step: i32) -> Option<String> {
    let split = category.find(|c: char| c.is_ascii_digit())?;
    let (letter, digits) = category.split_at(split);
    let width = digits.len();
    let number = digits.parse::<i32>().ok()? + step;
    if (0..10_i32.pow(width as u32)).contains(&number) {
        return Some(format!("{letter}{number:0width$}"));
    }
    let next = char::from_u32((letter.chars().next()? as u32).checked_add_signed(step)?)?;
    let wrapped = if step > 0 { 0 } else { 99 };
    next.is_ascii_uppercase()
        .then(|| format!("{next}{wrapped:02}"))
}

#[test]
fn edges_of_every_chapter_belong_and_their_neighbours_do_not() {
    for system in SYSTEMS {
        let mut met = 0;
        for chapter in system.chapters() {
            let (first, last) = bounds(chapter);
            assert_eq!(parsed(system, first).chapter(), Some(*chapter));
            assert_eq!(parsed(system, last).chapter(), Some(*chapter));
            for outside in [neighbour(first, -1), neighbour(last, 1)]
                .into_iter()
                .flatten()
            {
                // Stepping down from E000 or V01 leaves the shape of the system.
                if let Ok(code) = system.parse(&outside) {
                    met += 1;
                    assert_ne!(code.chapter(), Some(*chapter), "{outside}");
                }
            }
        }
        assert!(met >= system.chapters().len(), "{met}");
    }
    assert_eq!(CodeSystem::Icd9Cm.chapter("000").unwrap(), None);
    assert_eq!(CodeSystem::Icd9Cm.chapter("V92").unwrap(), None);
    assert_eq!(CodeSystem::Icd10Cm.chapter("K96").unwrap(), None);
    assert_eq!(CodeSystem::Icd10Cm.chapter("D90").unwrap(), None);
}

#[test]
fn every_numeric_icd9_category_has_a_chapter() {
    for number in 1..=999 {
        let code = parsed(CodeSystem::Icd9Cm, &number.to_string());
        assert!(code.chapter().is_some(), "{code}");
    }
}

#[test]
fn every_block_finds_itself_and_lies_in_one_chapter() {
    for system in SYSTEMS {
        for block in system.blocks() {
            let (first, last) = bounds(block);
            assert_eq!(parsed(system, first).block(), Some(*block));
            assert_eq!(parsed(system, last).block(), Some(*block));
            let holders: Vec<_> = system
                .chapters()
                .iter()
                .filter(|chapter| {
                    let (from, to) = bounds(chapter);
                    from <= first && last <= to
                })
                .collect();
            assert_eq!(holders.len(), 1, "{block}");
        }
    }
}

#[test]
fn ranges_are_sorted_and_overlap_only_where_a_lettered_block_is_enclosed() {
    for system in SYSTEMS {
        for table in [system.chapters(), system.blocks()] {
            let mut end = "";
            for label in table {
                let (first, last) = bounds(label);
                assert!(first <= last, "{label}");
                if first <= end {
                    assert!(["C7A", "C7B", "D3A"].contains(&first), "{label}");
                } else {
                    end = last;
                }
            }
            assert!(table.is_sorted());
        }
    }
}

/// The three-digit numbers that ICD-9-CM leaves unused between its sections.
#[test]
fn numeric_icd9_blocks_leave_the_published_gaps() {
    let gaps: Vec<u16> = (1..=999)
        .filter(|number| {
            parsed(CodeSystem::Icd9Cm, &number.to_string())
                .block()
                .is_none()
        })
        .collect();
    #[rustfmt::skip]
    let published = vec![
        19, 28, 29, 43, 44, 67, 68, 69, 89, 105, 106, 107, 108, 109, 119, 166, 167, 168, 169, 177,
        178, 247, 248, 328, 329, 399, 400, 406, 407, 408, 409, 418, 419, 439, 450, 467, 468, 469,
        479, 489, 497, 498, 499, 509, 544, 545, 546, 547, 548, 549, 554, 559, 609, 613, 687, 688,
        689, 699, 849, 855, 856, 857, 858, 859, 888, 889, 898, 899,
    ];
    assert_eq!(gaps, published);
}

#[test]
fn icd9_texts_read_as_documented() {
    for (text, print, block) in [
        ("250.83", "250.83", "249-259"),
        ("25083", "250.83", "249-259"),
        ("4019", "401.9", "401-405"),
        ("8", "008", "001-009"),
        ("38", "038", "030-041"),
        ("038", "038", "030-041"),
        ("5.0", "005.0", "001-009"),
        ("42", "042", "042"),
        ("250.", "250", "249-259"),
        (" 785 . 52 ", "785.52", "780-789"),
        ("v45.81", "V45.81", "V40-V49"),
        ("V4581", "V45.81", "V40-V49"),
        ("e849.0", "E849.0", "E849"),
        ("E8490", "E849.0", "E849"),
        ("E8842", "E884.2", "E880-E888"),
        ("E030", "E030", "E001-E030"),
    ] {
        let code = parsed(CodeSystem::Icd9Cm, text);
        assert_eq!(code.to_string(), print);
        assert_eq!(bounds_of(code.block()), Some(block), "{text}");
    }
    assert_eq!(CodeSystem::Icd9Cm.category("E849.0").unwrap(), "E849");
    assert_eq!(CodeSystem::Icd9Cm.category("38").unwrap(), "038");
}

fn bounds_of(label: Option<&'static str>) -> Option<&'static str> {
    label?.split_once(' ').map(|(range, _)| range)
}

#[test]
fn icd10_texts_read_as_documented() {
    for (text, print, block, chapter) in [
        ("E11.9", "E11.9", Some("E08-E13"), "E00-E89"),
        ("e119", "E11.9", Some("E08-E13"), "E00-E89"),
        ("S72.001A", "S72.001A", Some("S70-S79"), "S00-T88"),
        ("s72001a", "S72.001A", Some("S70-S79"), "S00-T88"),
        ("I21", "I21", Some("I20-I25"), "I00-I99"),
        ("U07.1", "U07.1", Some("U00-U49"), "U00-U85"),
        ("D48.9", "D48.9", Some("D37-D48"), "C00-D49"),
        ("D49.0", "D49.0", Some("D49"), "C00-D49"),
        ("D50", "D50", Some("D50-D53"), "D50-D89"),
        ("H59", "H59", Some("H59"), "H00-H59"),
        ("H60", "H60", Some("H60-H62"), "H60-H95"),
        ("X93", "X93", Some("X92-Y09"), "V00-Y99"),
        ("Y04", "Y04", Some("X92-Y09"), "V00-Y99"),
        ("A10", "A10", None, "A00-B99"),
        ("Z79.4", "Z79.4", Some("Z77-Z99"), "Z00-Z99"),
    ] {
        let code = parsed(CodeSystem::Icd10Cm, text);
        assert_eq!(code.to_string(), print);
        assert_eq!(bounds_of(code.block()), block, "{text}");
        assert_eq!(bounds_of(code.chapter()), Some(chapter), "{text}");
    }
}

#[test]
fn lettered_icd10_categories_go_where_they_are_filed() {
    for (category, block) in [
        ("C4A", Some("C43-C44")),
        ("C76", Some("C76-C80")),
        ("C7A", Some("C7A")),
        ("C7B", Some("C7B")),
        ("C80", Some("C76-C80")),
        ("D3A", Some("D3A")),
        ("D40", Some("D37-D48")),
        ("I1A", Some("I10-I1A")),
        ("I5A", Some("I30-I5A")),
        ("J4A", Some("J40-J4A")),
        ("M1A", Some("M05-M14")),
        ("O9A", Some("O94-O9A")),
        ("QA0", Some("QA0")),
        ("Z3A", Some("Z30-Z39")),
        ("C7C", None),
        ("I3A", None),
    ] {
        let code = parsed(CodeSystem::Icd10Cm, category);
        assert_eq!(bounds_of(code.block()), block, "{category}");
        assert!(code.chapter().is_some(), "{category}");
    }
}

#[test]
fn other_shapes_are_refused_without_showing_the_text() {
    let icd9 = [
        "", "?", "NA", "1234567", "25.0.1", "2508.3", "250.833", "V4", "V1.1", "E84", "E849.01",
        "E11.9", "250-259", "-1", "1e3", ".5", "٢٥٠", "A25",
    ];
    let icd10 = [
        "",
        "?",
        "E1",
        "250.83",
        "EE1",
        "E119.1",
        "E11.99999",
        "E11.-",
        "Q0",
        "É11",
        "R0.1",
    ];
    for (system, texts) in [
        (CodeSystem::Icd9Cm, icd9.as_slice()),
        (CodeSystem::Icd10Cm, icd10.as_slice()),
    ] {
        for text in texts {
            assert!(system.parse(text).is_err(), "{text}");
        }
    }
    let message = CodeSystem::Icd9Cm.parse("Smith78").unwrap_err().to_string();
    assert!(message.contains("ICD-9-CM") && message.contains("three digits"));
    assert!(!message.to_lowercase().contains("smith"));
}

#[test]
fn exact_reading_refuses_dropped_zeros() {
    for text in ["8", "38", "8.5"] {
        assert!(CodeSystem::Icd9Cm.parse_exact(text).is_err());
    }
    for text in ["008", "038", "008.5", "4019", "V45", "E849"] {
        let exact = CodeSystem::Icd9Cm.parse_exact(text).unwrap();
        assert_eq!(exact, parsed(CodeSystem::Icd9Cm, text));
    }
}

#[test]
fn levels_nest() {
    let up = |level| CodeSystem::Icd9Cm.roll_up("410.71", level).unwrap();
    assert_eq!(up(Level::Category).as_deref(), Some("410"));
    assert_eq!(
        up(Level::Block).as_deref(),
        Some("410-414 Ischemic heart disease")
    );
    assert_eq!(
        up(Level::Chapter).as_deref(),
        Some("390-459 Diseases of the circulatory system")
    );
    assert!(matches!(up(Level::Block), Some(Cow::Borrowed(_))));
}

/// Shapes met in the public table of 130 hospitals, which was written without leading zeros.
#[test]
fn strack_groups_by_the_table_of_the_paper() {
    for (text, group) in [
        ("390", "Circulatory"),
        ("459", "Circulatory"),
        ("785", "Circulatory"),
        ("428", "Circulatory"),
        ("460", "Respiratory"),
        ("519", "Respiratory"),
        ("786", "Respiratory"),
        ("520", "Digestive"),
        ("579", "Digestive"),
        ("787", "Digestive"),
        ("250", "Diabetes"),
        ("250.83", "Diabetes"),
        ("250.6", "Diabetes"),
        ("800", "Injury"),
        ("996", "Injury"),
        ("999", "Injury"),
        ("710", "Musculoskeletal"),
        ("739", "Musculoskeletal"),
        ("580", "Genitourinary"),
        ("629", "Genitourinary"),
        ("788", "Genitourinary"),
        ("140", "Neoplasms"),
        ("239", "Neoplasms"),
        ("3", "Other"),
        ("38", "Other"),
        ("139", "Other"),
        ("240", "Other"),
        ("249", "Other"),
        ("251", "Other"),
        ("276", "Other"),
        ("389", "Other"),
        ("630", "Other"),
        ("709", "Other"),
        ("740", "Other"),
        ("784", "Other"),
        ("789", "Other"),
        ("799", "Other"),
        ("E812", "Other"),
        ("V57", "Other"),
    ] {
        assert_eq!(strack_group(text).unwrap(), group, "{text}");
        assert!(STRACK_GROUPS.contains(&group));
    }
    assert!(strack_group("?").is_err());
}

proptest! {
    #[test]
    fn reading_a_printed_icd9_code_gives_it_back(
        text in "([0-9]{1,3}|V[0-9]{2}|v[0-9]{2})(\\.[0-9]{0,2})?|E[0-9]{3}(\\.[0-9])?|[0-9]{4,5}"
    ) {
        let code = CodeSystem::Icd9Cm.parse(&text).unwrap();
        let again = CodeSystem::Icd9Cm.parse_exact(&code.to_string()).unwrap();
        prop_assert_eq!(code, again);
        let undotted = code.to_string().replace('.', "");
        prop_assert_eq!(code, CodeSystem::Icd9Cm.parse_exact(&undotted).unwrap());
    }

    #[test]
    fn reading_a_printed_icd10_code_gives_it_back(
        text in "[A-Za-z][0-9][0-9A-Za-z](\\.?[0-9A-Za-z]{0,4})"
    ) {
        let code = CodeSystem::Icd10Cm.parse(&text).unwrap();
        prop_assert_eq!(code, CodeSystem::Icd10Cm.parse(&code.to_string()).unwrap());
        let undotted = code.to_string().replace('.', "");
        prop_assert_eq!(code, CodeSystem::Icd10Cm.parse(&undotted).unwrap());
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,12}") {
        for system in SYSTEMS {
            if let Ok(code) = system.parse(&text) {
                prop_assert!(code.block().is_none() || code.chapter().is_some());
            }
        }
        let _ = strack_group(&text);
    }
}
