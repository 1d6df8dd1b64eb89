//! Rust source reduced to what counts: comments, strings and test modules blanked, places kept.

/// The identifier that begins at `place`, and where it ends; `None` inside or outside of one.
pub(crate) fn word_at(code: &[char], place: usize) -> Option<(String, usize)> {
    let is_word = |c: &char| c.is_alphanumeric() || *c == '_';
    let inside = place > 0 && code.get(place - 1).is_some_and(is_word);
    if inside || !code.get(place).is_some_and(is_word) {
        return None;
    }
    let word: String = code[place..].iter().take_while(|c| is_word(c)).collect();
    let end = place + word.chars().count();
    Some((word, end))
}

/// Where the text goes on after `::` and white space, if `::` stands at `place`.
pub(crate) fn skip_colons(code: &[char], place: usize) -> Option<usize> {
    let skip_space = |mut place: usize| {
        while code.get(place).is_some_and(|c| c.is_whitespace()) {
            place += 1;
        }
        place
    };
    let place = skip_space(place);
    let colons = code.get(place) == Some(&':') && code.get(place + 1) == Some(&':');
    colons.then(|| skip_space(place + 2))
}

/// The source with comments, strings and characters blanked; line breaks stay.
pub(crate) fn blank(source: &str) -> Vec<char> {
    let mut code: Vec<char> = source.chars().collect();
    let mut place = 0;
    while place < code.len() {
        let end = match (code[place], code.get(place + 1)) {
            ('/', Some('/')) => find_end(&code, place, |c, at| c[at] == '\n'),
            ('/', Some('*')) => block_end(&code, place),
            ('r', Some('"' | '#')) if starts_word(&code, place) => raw_end(&code, place),
            ('"', _) => string_end(&code, place),
            ('\'', Some(next)) if *next == '\\' || code.get(place + 2) == Some(&'\'') => {
                let first = place + if *next == '\\' { 3 } else { 2 };
                1 + find_end(&code, first, |c, at| c[at] == '\'')
            }
            _ => place,
        };
        if end == place {
            place += 1;
            continue;
        }
        let end = end.min(code.len());
        for slot in code[place..end].iter_mut().filter(|slot| **slot != '\n') {
            *slot = ' ';
        }
        place = end;
    }
    code
}

fn find_end(code: &[char], start: usize, stop: impl Fn(&[char], usize) -> bool) -> usize {
    (start..code.len())
        .find(|at| stop(code, *at))
        .unwrap_or(code.len())
}

/// Whether an `r` begins a word, `b` before it aside.
fn starts_word(code: &[char], place: usize) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    match place.checked_sub(1).map(|before| code[before]) {
        Some('b') => place < 2 || !is_word(code[place - 2]),
        Some(before) => !is_word(before),
        None => true,
    }
}

fn block_end(code: &[char], start: usize) -> usize {
    let (mut depth, mut place) = (0, start);
    while place < code.len() {
        match (code[place], code.get(place + 1)) {
            ('/', Some('*')) => depth += 1,
            ('*', Some('/')) => depth -= 1,
            _ => {
                place += 1;
                continue;
            }
        }
        place += 2;
        if depth == 0 {
            return place;
        }
    }
    place
}

fn string_end(code: &[char], start: usize) -> usize {
    let mut place = start + 1;
    while place < code.len() && code[place] != '"' {
        place += if code[place] == '\\' { 2 } else { 1 };
    }
    place + 1
}

/// End of `r"..."` or `r#"..."#`; `start` itself for a raw identifier such as `r#gen`.
fn raw_end(code: &[char], start: usize) -> usize {
    let hashes = code[start + 1..].iter().take_while(|c| **c == '#').count();
    let open = start + 1 + hashes;
    if code.get(open) != Some(&'"') {
        return start;
    }
    let closes = |c: &[char], at: usize| {
        c[at] == '"'
            && c[at + 1..]
                .iter()
                .take(hashes)
                .filter(|c| **c == '#')
                .count()
                == hashes
    };
    find_end(code, open + 1, closes) + 1 + hashes
}

/// The code with every item under `#[cfg(test)]` or `#[cfg(any(test, ...))]` blanked.
pub(crate) fn without_tests(code: &[char]) -> Vec<char> {
    let mut code = code.to_vec();
    let mut place = 0;
    while place < code.len() {
        if code[place] != '#' || code.get(place + 1) != Some(&'[') {
            place += 1;
            continue;
        }
        let end = balanced(&code, place + 1, '[', ']');
        let attribute: String = code[place..end]
            .iter()
            .filter(|c| !c.is_whitespace())
            .collect();
        if attribute != "#[cfg(test)]" && !attribute.starts_with("#[cfg(any(test,") {
            place = end;
            continue;
        }
        // The item ends with its first `;` or the brace that closes its first `{`.
        let mut stop = end;
        while stop < code.len() && code[stop] != ';' && code[stop] != '{' {
            stop = match code[stop] {
                '[' => balanced(&code, stop, '[', ']'),
                '(' => balanced(&code, stop, '(', ')'),
                _ => stop + 1,
            };
        }
        let stop = match code.get(stop) {
            Some('{') => balanced(&code, stop, '{', '}'),
            _ => (stop + 1).min(code.len()),
        };
        for slot in code[place..stop].iter_mut().filter(|slot| **slot != '\n') {
            *slot = ' ';
        }
        place = stop;
    }
    code
}

/// Where the bracket that opens at `start` has been closed.
fn balanced(code: &[char], start: usize, open: char, close: char) -> usize {
    let mut depth = 0;
    for (place, c) in code.iter().enumerate().skip(start) {
        if *c == open {
            depth += 1;
        } else if *c == close {
            depth -= 1;
            if depth == 0 {
                return place + 1;
            }
        }
    }
    code.len()
}
