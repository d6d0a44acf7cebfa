//! A page that stands by itself: one HTML file, light and dark, readable on a phone, nothing fetched from anywhere.
//!
//! ```
//! use toolken_bench::page::{Cell, Page, figure, table};
//! let mut page = Page::new("Choice of tools", "FuncQA, SmolLM2-135M");
//! page.section("figures", "Figures", &figure("<svg></svg>", "Choice against λ."));
//! page.section("numbers", "Numbers", &table(&["method", "choice"], &[vec![Cell::text("exact"), Cell::number("0.97")]], ""));
//! assert!(page.render().starts_with("<!doctype html>"));
//! ```

pub mod plot;

use std::fmt::Write;

const STYLE: &str = include_str!("page/page.css");

/// A page under construction.
#[derive(Clone, Debug)]
pub struct Page {
    title: String,
    lead: String,
    sections: Vec<(String, String)>,
    body: String,
    script: String,
}

impl Page {
    /// A page with a title and a line below it.
    pub fn new(title: &str, lead: &str) -> Self {
        Self {
            title: title.to_owned(),
            lead: lead.to_owned(),
            sections: Vec::new(),
            body: String::new(),
            script: String::new(),
        }
    }

    /// Adds a section; `id` is what links to it use, and `html` goes in as it is. From the second on there is a list of
    /// the sections at the top.
    pub fn section(&mut self, id: &str, title: &str, html: &str) {
        let (id, heading) = (escape(id), escape(title));
        let _ = writeln!(self.body, "<section id=\"{id}\"><h2>{heading}</h2>\n{html}\n</section>");
        self.sections.push((id, heading));
    }

    /// Adds a script, run at the end of the page.
    pub fn script(&mut self, script: &str) {
        self.script.push_str(script);
    }

    /// The whole file.
    pub fn render(&self) -> String {
        let (title, lead) = (escape(&self.title), escape(&self.lead));
        let links: String =
            self.sections.iter().map(|(id, title)| format!("<a href=\"#{id}\">{title}</a> ")).collect();
        let nav = if self.sections.len() > 1 { format!("<nav>{links}</nav>") } else { String::new() };
        let script = match self.script.as_str() {
            "" => String::new(),
            script => format!("<script>\n{script}\n</script>\n"),
        };
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
             <style>\n{STYLE}</style>\n</head>\n<body>\n<header><h1>{title}</h1><p class=\"lead\">{lead}</p>{nav}</header>\n\
             <main>\n{}</main>\n{script}</body>\n</html>\n",
            self.body
        )
    }
}

/// A cell of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    html: String,
    class: &'static str,
}

impl Cell {
    /// Words, at the left.
    pub fn text(text: &str) -> Self {
        Self { html: escape(text), class: "" }
    }

    /// A number, at the right.
    pub fn number(text: &str) -> Self {
        Self { html: escape(text), class: "n" }
    }

    /// HTML as it is, at the left.
    pub fn html(html: impl Into<String>) -> Self {
        Self { html: html.into(), class: "" }
    }

    /// The same cell, standing out: the best of its column.
    #[must_use]
    pub fn best(self) -> Self {
        Self { class: if self.class == "n" { "n best" } else { "best" }, ..self }
    }
}

/// A table that scrolls sideways where it is too wide, with a note below it (HTML).
pub fn table(header: &[&str], rows: &[Vec<Cell>], note: &str) -> String {
    let numeric =
        |column: usize| rows.first().and_then(|row| row.get(column)).is_some_and(|c| !c.class.is_empty());
    let mut html = String::from("<div class=\"scroll\"><table><thead><tr>");
    for (column, title) in header.iter().enumerate() {
        let class = if numeric(column) { " class=\"n\"" } else { "" };
        let _ = write!(html, "<th{class}>{}</th>", escape(title));
    }
    html.push_str("</tr></thead><tbody>\n");
    for row in rows {
        html.push_str("<tr>");
        for cell in row {
            let _ = match cell.class {
                "" => write!(html, "<td>{}</td>", cell.html),
                class => write!(html, "<td class=\"{class}\">{}</td>", cell.html),
            };
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>");
    if !note.is_empty() {
        let _ = write!(html, "<p class=\"note\">{note}</p>");
    }
    html
}

/// A drawing with its caption (both HTML).
pub fn figure(svg: &str, caption: &str) -> String {
    format!("<figure><div class=\"scroll\">{svg}</div><figcaption>{caption}</figcaption></figure>")
}

/// Figures side by side where there is room.
pub fn side_by_side(figures: &[String]) -> String {
    format!("<div class=\"side\">{}</div>", figures.concat())
}

/// Text as HTML, for content and for attributes in double quotes.
pub fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

/// JSON to stand inside a `<script>` element: nothing in it can end the element.
pub fn script_json(value: &impl serde::Serialize) -> serde_json::Result<String> {
    Ok(serde_json::to_string(value)?
        .replace('<', "\\u003c")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_foreign_becomes_markup() {
        let mut page = Page::new("<b>", "a & b");
        page.section(
            "x\"y",
            "<i>",
            &table(&["<u>"], &[vec![Cell::text("<s>"), Cell::number("1").best()]], ""),
        );
        let html = page.render();
        for tag in ["<b>", "<i>", "<u>", "<s>"] {
            assert!(!html.contains(tag), "{tag}");
        }
        assert!(html.contains("<td class=\"n best\">1</td>"));
        let json = script_json(&"</script><!--").unwrap();
        assert!(!json.contains('<'));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), "</script><!--");
    }

    #[test]
    fn the_page_fetches_nothing() {
        let html = Page::new("t", "l").render();
        for outside in ["http:", "https:", "@import", "url(", " src="] {
            assert!(!html.contains(outside), "{outside}");
        }
    }
}
