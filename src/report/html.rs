//! Documents as one HTML page: no script, nothing to load, readable on paper.

use crate::estimator::Figure;
use crate::report::render::{Block, Document, Table, TableRow, clean};
use crate::report::shown::{caption, tables};

/// Nothing may be loaded or run, whatever ends up in the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
const STYLE: &str = "\
:root{color-scheme:light}\
*{box-sizing:border-box}\
body{margin:0;background:#fff;color:#1c2026;font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;-webkit-text-size-adjust:100%}\
main{max-width:60rem;margin:0 auto;padding:4rem 3rem 6rem}\
header{border-bottom:2px solid #1c2026;padding-bottom:1.1rem;margin-bottom:1.6rem}\
h1{font-size:2.1rem;line-height:1.2;letter-spacing:-.015em;font-weight:650;margin:0}\
header p{margin:.5rem 0 0;color:#5a6472}\
nav{font-size:.88rem;columns:3 12rem;column-gap:2rem;margin:0 0 2.5rem}\
nav a{display:block;color:#1f4e79;text-decoration:none;padding:.1rem 0}\
nav a:hover,nav a:focus{text-decoration:underline}\
h2{font-size:1.3rem;font-weight:650;line-height:1.3;margin:3rem 0 .9rem;padding-bottom:.35rem;border-bottom:1px solid #d9dee5}\
h3{font-size:1.05rem;margin:2rem 0 .6rem}\
p,ul,dl{max-width:44rem}\
p{margin:.7rem 0}\
ul{padding-left:1.2rem}\
dl{display:grid;grid-template-columns:minmax(9rem,max-content) 1fr;gap:.3rem 1.6rem;margin:.8rem 0}\
dt{color:#5a6472}\
dd{margin:0;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}\
.wide{overflow-x:auto;margin:1.6rem 0 .4rem}\
table{border-collapse:collapse;width:100%;font-size:.9rem;line-height:1.4;font-variant-numeric:tabular-nums;border-bottom:1.5px solid #1c2026}\
caption{caption-side:top;text-align:left;padding:0 0 .55rem;color:#1c2026}\
caption b,figcaption b{font-weight:650}\
thead th{border-top:1.5px solid #1c2026;border-bottom:1px solid #1c2026;font-weight:600;vertical-align:bottom}\
th,td{padding:.32rem 0 .32rem 1.4rem;text-align:left;vertical-align:top;font-weight:400}\
th:first-child,td:first-child{padding-left:0}\
tbody th{overflow-wrap:anywhere;min-width:8rem}\
tbody tr+tr:not(.in) th,tbody tr+tr:not(.in) td{border-top:1px solid #eceff3}\
.n{text-align:right;white-space:nowrap}\
thead .n{white-space:normal}\
.in th:first-child{padding-left:1.3rem;color:#3d4650}\
.foot{font-size:.82rem;color:#5a6472;max-width:none;margin:.25rem 0}\
.figs{display:grid;grid-template-columns:repeat(auto-fit,minmax(24rem,1fr));gap:2rem 2.4rem;margin:1.8rem 0}\
figure{margin:0;break-inside:avoid}\
figure svg{display:block;width:100%;height:auto}\
.figs.one{grid-template-columns:minmax(0,40rem)}\
.figs.full{grid-template-columns:minmax(0,1fr)}\
summary{cursor:pointer;font-size:.86rem;color:#1f4e79;margin-top:.4rem}\
figcaption{font-size:.86rem;line-height:1.45;color:#3d4650;margin-top:.5rem}\
aside{border-left:4px solid #8a94a3;background:#f6f7f9;padding:.6rem 1rem .65rem;margin:.7rem 0;max-width:46rem;break-inside:avoid}\
aside p{margin:.15rem 0 0;font-size:.94rem}\
aside b{font-weight:650}\
aside .kind{font-size:.74rem;letter-spacing:.06em;text-transform:uppercase;color:#5a6472;margin-right:.6rem}\
aside.caution{border-color:#b7791f;background:#fdf8ee}\
aside.serious{border-color:#a4262c;background:#fcf3f3}\
aside.serious .kind{color:#a4262c}\
aside.caution .kind{color:#8a5a10}\
.refs{font-size:.88rem}\
a{color:#1f4e79}\
table:not(:has(.more:checked)) .rest{display:none}\
@media(max-width:40rem){main{padding:2rem 1.2rem 3rem}.figs{grid-template-columns:1fr}dl{grid-template-columns:1fr}}\
@media print{body{font-size:10pt}main{max-width:none;padding:0}nav{display:none}h2,h3,caption{break-after:avoid}tr,aside{break-inside:avoid}.wide{overflow:visible}table:not(:has(.more:checked)) .rest{display:table-row-group}label{display:none}.figs{grid-template-columns:1fr 1fr;gap:1rem}.figs.full{grid-template-columns:1fr}details:not([open]){display:none}a{color:inherit;text-decoration:none}@page{margin:18mm 16mm}}";

pub(super) fn render(document: &Document) -> String {
    let title = escape(&document.title);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header>\n<h1>{title}</h1>\n"
    );
    if !document.subtitle.is_empty() {
        out.push_str(&format!("<p>{}</p>\n", escape(&document.subtitle)));
    }
    out.push_str("</header>\n");
    contents(&mut out, document);
    let (mut numbered, mut figures, mut sections) = (0, 0, 0);
    for block in &document.blocks {
        match block {
            Block::Heading { level, text } if *level <= 2 => {
                sections += 1;
                out.push_str(&format!("<h2 id=\"s{sections}\">{}</h2>\n", escape(text)));
            }
            Block::Heading { text, .. } => out.push_str(&format!("<h3>{}</h3>\n", escape(text))),
            Block::Paragraph(text) => out.push_str(&format!("<p>{}</p>\n", escape(text))),
            Block::List(items) => {
                out.push_str("<ul>\n");
                for item in items {
                    out.push_str(&format!("<li>{}</li>\n", escape(item)));
                }
                out.push_str("</ul>\n");
            }
            Block::Pairs(pairs) => {
                out.push_str("<dl>\n");
                for (name, text) in pairs {
                    let (name, text) = (escape(name), escape(text));
                    out.push_str(&format!("<dt>{name}</dt><dd>{text}</dd>\n"));
                }
                out.push_str("</dl>\n");
            }
            Block::Table(content) => {
                numbered += 1;
                table(&mut out, &format!("Table {numbered}"), content);
            }
            Block::Figures(content) => {
                let wide = |figure| !tables(figure).is_empty();
                let class = match &content[..] {
                    figures if figures.iter().any(wide) => " full",
                    [_] => " one",
                    _ => "",
                };
                out.push_str(&format!("<div class=\"figs{class}\">\n"));
                for figure in content {
                    figures += 1;
                    let (title, caption) = (escape(&figure.title), escape(&caption(figure)));
                    out.push_str(&format!(
                        "<figure>\n{}<figcaption><b>Figure {figures}.</b> {title}. {caption}\
                         </figcaption>\n",
                        picture(figure)
                    ));
                    behind(&mut out, figures, figure);
                    out.push_str("</figure>\n");
                }
                out.push_str("</div>\n");
            }
            Block::Note {
                severity,
                title,
                text,
            } => {
                let word = severity.word();
                let (title, text) = (escape(title), escape(text));
                out.push_str(&format!(
                    "<aside class=\"{word}\"><span class=\"kind\">{word}</span><b>{title}</b>\
                     <p>{text}</p></aside>\n"
                ));
            }
            Block::References(list) => {
                out.push_str("<ul class=\"refs\">\n");
                for (text, doi) in list {
                    out.push_str(&format!(
                        "<li>{} <a href=\"https://doi.org/{}\">doi {}</a></li>\n",
                        escape(text),
                        escape(&link(doi)),
                        escape(doi)
                    ));
                }
                out.push_str("</ul>\n");
            }
        }
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

/// Links to the sections, where there are enough of them to look for.
fn contents(out: &mut String, document: &Document) {
    let titles = document.blocks.iter().filter_map(|block| match block {
        Block::Heading { level, text } if *level <= 2 => Some(text),
        _ => None,
    });
    let titles: Vec<&String> = titles.collect();
    if titles.len() < 4 {
        return;
    }
    out.push_str("<nav aria-label=\"Contents\">\n");
    for (place, title) in titles.iter().enumerate() {
        out.push_str(&format!(
            "<a href=\"#s{}\">{}</a>\n",
            place + 1,
            escape(title)
        ));
    }
    out.push_str("</nav>\n");
}

/// Rows of a table before the rest folds.
const ROWS_SHOWN: usize = 60;

/// The numbers behind a figure as tables that fold away; a reader who cannot see it opens them.
fn behind(out: &mut String, number: usize, figure: &Figure) {
    let tables = tables(figure);
    if tables.is_empty() {
        return;
    }
    out.push_str("<details><summary>The figure as tables</summary>\n");
    for content in &tables {
        table(out, &format!("Figure {number}"), content);
    }
    out.push_str("</details>\n");
}

fn table(out: &mut String, name: &str, table: &Table) {
    out.push_str(&format!(
        "<div class=\"wide\">\n<table>\n<caption><b>{name}.</b> {}</caption>\n<thead><tr>",
        escape(&table.caption)
    ));
    for column in &table.columns {
        let class = if column.number { " class=\"n\"" } else { "" };
        out.push_str(&format!(
            "<th scope=\"col\"{class}>{}</th>",
            escape(&column.heading)
        ));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    let long = table.rows.len() > ROWS_SHOWN;
    for (position, row) in table.rows.iter().enumerate() {
        if long && position == ROWS_SHOWN {
            let more = table.rows.len() - ROWS_SHOWN;
            // The rest folds away without a script; paper shows all of it.
            out.push_str(&format!(
                "</tbody>\n<tbody><tr><td colspan=\"{}\"><label><input type=\"checkbox\" class=\"more\"> \
                 {more} more rows</label></td></tr></tbody>\n<tbody class=\"rest\">\n",
                table.columns.len()
            ));
        }
        out.push_str(if row.indented {
            "<tr class=\"in\">"
        } else {
            "<tr>"
        });
        for (place, column) in table.columns.iter().enumerate() {
            cell(out, row, place, column.number);
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
    for note in &table.notes {
        out.push_str(&format!("<p class=\"foot\">{}</p>\n", escape(note)));
    }
}

fn cell(out: &mut String, row: &TableRow, place: usize, number: bool) {
    let text = escape(row.cell(place));
    let class = if number { " class=\"n\"" } else { "" };
    if place == 0 {
        out.push_str(&format!("<th scope=\"row\"{class}>{text}</th>"));
    } else {
        out.push_str(&format!("<td{class}>{text}</td>"));
    }
}

#[cfg(feature = "report")]
fn picture(figure: &Figure) -> String {
    super::draw::svg(figure)
}

#[cfg(not(feature = "report"))]
fn picture(_: &Figure) -> String {
    String::new()
}

/// A DOI as it may stand in a link.
fn link(doi: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || "./-_()".contains(*c);
    doi.chars().filter(plain).collect()
}

/// Text that HTML prints as it is, in elements and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_printed_and_not_obeyed() {
        assert_eq!(
            escape("<b title=\"x\">&'"),
            "&lt;b title=&quot;x&quot;&gt;&amp;&#39;"
        );
        let page = Document::new("</title><script>")
            .with(Block::Paragraph("<img src=http://x>".into()))
            .with(Block::References(vec![(
                "Paper".into(),
                "10.1/a\"><b>".into(),
            )]))
            .to_html();
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("<b>\""));
        assert!(page.contains("href=\"https://doi.org/10.1/ab\""));
    }

    #[test]
    fn networks_carry_their_numbers_as_tables() {
        use crate::estimator::figure::{Axis, GraphEdge, GraphNode};
        let nodes = vec![GraphNode::new("<i>a", 3.0), GraphNode::new("b", 2.0)];
        let figure = Figure::new("Net", Axis::new("patients"), Axis::new("odds ratio"))
            .graph(nodes, vec![GraphEdge::new(0, 1, 2.5)]);
        let document = Document::new("T").with(Block::Figures(vec![figure]));
        let page = document.to_html();
        assert!(page.contains("<details>") && page.contains("figs full"));
        assert!(page.contains("<th scope=\"row\">&lt;i&gt;a</th>") && !page.contains("<i>a"));
        for text in [document.to_text(), document.to_markdown()] {
            assert!(text.contains("odds ratio") && text.contains("2.50"));
        }
    }
}
