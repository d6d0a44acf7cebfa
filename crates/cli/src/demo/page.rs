//! The demo as a page: the figures, two traces, and what the head has learned, in one file.

use super::{Found, WEAK, Way};
use bench::page::plot::{Axis, Bar, Bars, Heat, Lines, Point, Series};
use bench::page::{Cell, Page, escape, figure, side_by_side, table};
use bench::stats::Interval;
use decode::{Attempt, Generation, Token};
use head::{Curve, Metrics};

/// The page's file.
pub fn html(found: &Found) -> String {
    let mut page = Page::new("A frozen model uses tools", &found.provenance());
    page.section("figures", "With and without tools", &figures(found));
    for (id, title, right) in
        [("right", "A question it gets right", true), ("wrong", "One it gets wrong", false)]
    {
        if let Some((question, generation)) = found.example(right) {
            let html = format!(
                "<p class=\"q\">{}</p>{}<p>Expected: {}</p>",
                escape(&question.question),
                answered(generation),
                escape(&question.answer)
            );
            page.section(id, title, &html);
        }
    }
    page.section("lambda", "The choice of λ", &curve(&found.curve));
    if let Some(metrics) = found.ours().and_then(|way| way.metrics.as_ref()) {
        page.section("tools", "Tool by tool", &side_by_side(&[by_tool(metrics), confusion(metrics)]));
    }
    page.section("questions", "All questions", &questions(found));
    page.render()
}

fn share(x: Option<f64>, digits: usize) -> String {
    x.map_or_else(|| "–".into(), |x| format!("{:.digits$} %", 100.0 * x))
}

fn figures(found: &Found) -> String {
    let row = |way: &Way| {
        let metrics = way.metrics.as_ref();
        let right = way.right.iter().filter(|right| **right).count();
        vec![
            Cell::text(way.name),
            Cell::number(&share(metrics.and_then(|m| m.choice), 1)),
            Cell::number(&share(metrics.and_then(|m| m.recall), 1)),
            Cell::number(&share(metrics.and_then(|m| m.false_calls), 2)),
            Cell::number(&format!("{right} of {}", found.questions.len())),
        ]
    };
    let header = ["", "tool choice", "recall", "false calls", "answers right"];
    let rows: Vec<_> = found.ways.iter().map(row).collect();
    let note = format!(
        "Choice: at a call, the right tool is the best of the tools. Recall: it beats every word too. False calls: share of \
         word positions at which a tool beats every word. {}",
        escape(WEAK)
    );
    table(&header, &rows, &note)
}

/// A generated answer with its calls.
fn answered(generation: &Generation) -> String {
    let mut html = format!("<p>{}</p>", escape(&generation.text));
    for decision in generation.decisions.iter().filter(|decision| !decision.attempts.is_empty()) {
        let calls: Vec<String> = decision.attempts.iter().map(call).collect();
        let rows: Vec<_> = (decision.alternatives.iter())
            .map(|rival| {
                let name = match &rival.token {
                    Token::Tool(name) => format!("<{name}>"),
                    Token::Word(word) => format!("{word:?}"),
                };
                vec![Cell::text(&name), Cell::number(&format!("{:.3}", rival.p))]
            })
            .collect();
        html += &format!("<p><code>{}</code></p>", calls.join("</code>, <code>"));
        html += &table(&["chosen among", "probability"], &rows, "");
    }
    html
}

fn call(attempt: &Attempt) -> String {
    let outcome = match attempt.outcome.result() {
        Some(result) => format!("= {result}"),
        None => format!("failed: {}", attempt.outcome.error().unwrap_or_default()),
    };
    escape(&format!("{}({}) {outcome}", attempt.tool, attempt.arguments))
}

fn curve(curve: &Curve) -> String {
    let loss = curve.points.iter().rev().map(|point| {
        let error = point.standard_error;
        Point {
            x: point.lambda,
            y: point.held_out,
            low: point.held_out - error,
            high: point.held_out + error,
        }
    });
    let along = |value: fn(&Metrics) -> Option<f64>| {
        let known = curve.points.iter().rev().filter_map(|p| Some(Point::bare(p.lambda, value(&p.metrics)?)));
        known.collect()
    };
    let losses = Lines {
        x: Axis::logarithmic("λ"),
        y: Axis::linear("held-out cross-entropy, nats a position"),
        series: vec![Series { name: "mean over folds".into(), points: loss.collect() }],
    };
    let choices = Lines {
        x: Axis::logarithmic("λ"),
        y: Axis::share("share of held-out calls"),
        series: vec![
            Series { name: "choice".into(), points: along(|m| m.choice) },
            Series { name: "recall".into(), points: along(|m| m.recall) },
        ],
    };
    let chosen = curve.points.get(curve.chosen).map_or(f64::NAN, |point| point.lambda);
    side_by_side(&[
        figure(
            &losses.svg(),
            &format!(
                "The band is one standard error over {} folds. λ = {chosen:.2e} was chosen.",
                curve.search.folds
            ),
        ),
        figure(&choices.svg(), "Training patterns held out in turn; no bias."),
    ])
}

fn by_tool(metrics: &Metrics) -> String {
    let exactly = |value: f64, n: usize| Interval { value, low: value, high: value, n };
    let group = |tool: &head::ToolMetrics| Bar {
        name: tool.tool.clone(),
        values: vec![
            tool.recall.map(|x| exactly(x, tool.calls)),
            tool.precision.map(|x| exactly(x, tool.called)),
        ],
    };
    let bars = Bars {
        x: Axis { range: Some((0.0, 1.0)), ..Axis::share("greedy calls, test patterns") },
        series: vec!["recall".into(), "precision".into()],
        groups: metrics.tools.iter().map(group).collect(),
    };
    figure(&bars.svg(), "Precision and recall by tool.")
}

fn confusion(metrics: &Metrics) -> String {
    let names: Vec<String> =
        metrics.tools.iter().map(|tool| tool.tool.clone()).chain(["(word)".into()]).collect();
    // The last row, words, would drown every other.
    let rows = metrics.tools.len();
    let heat = Heat {
        down: "should be called".into(),
        across: "is called".into(),
        rows: names[..rows].to_vec(),
        columns: names,
        counts: metrics.confusion[..rows].to_vec(),
    };
    figure(&heat.svg(), "What is called where a tool should be.")
}

fn questions(found: &Found) -> String {
    let mut header = vec!["question", "expected"];
    header.extend(found.ways.iter().map(|way| way.name));
    let rows = found.questions.iter().enumerate().map(|(i, question)| {
        let mut row = vec![Cell::text(question.bare_question()), Cell::text(&question.answer)];
        row.extend(found.ways.iter().map(|way| {
            let cell = Cell::text(way.generations[i].text.trim());
            if way.right[i] { cell.best() } else { cell }
        }));
        row
    });
    table(&header, &rows.collect::<Vec<_>>(), "Right answers stand out.")
}
