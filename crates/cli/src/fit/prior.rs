//! The prior as options of the command line.

use anyhow::bail;
use clap::ValueEnum;
use head::{Head, Pool, Prior, Scale, Source, Text, ToolText};
use std::path::PathBuf;
use tools::{Pack, ToolSet};

/// The scales that `--scale auto` tries, as shares of the mean norm of the head's rows.
const SCALES: [f64; 4] = [0.1, 0.3, 1.0, 3.0];

#[derive(clap::Args)]
#[command(next_help_heading = "Prior")]
pub struct Options {
    /// What W0 is made of; by default what the method says (zero for `exact`)
    #[arg(long, value_enum)]
    prior: Option<Kind>,
    /// What a text's tokens are turned into
    #[arg(long, value_enum, default_value = "head-rows")]
    prior_source: Origin,
    /// How a text's tokens become one row
    #[arg(long, value_enum, default_value = "mean")]
    pool: Pooling,
    /// as-is; a number s, for rows of norm s·ρ (ρ the mean norm of the word head's rows); or auto, s by cross-validation
    #[arg(long, default_value = "as-is")]
    scale: String,
    /// Subtract the tools' mean row before scaling
    #[arg(long)]
    centred: bool,
    /// A pack whose tools.toml has the descriptions; the 13 arithmetic tools have their own
    #[arg(long, value_name = "PACK")]
    tools: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// All zeros
    Zero,
    /// Uniform on (−1/√d, 1/√d), as ToolkenGPT starts
    #[value(alias = "random")]
    Uniform,
    /// The mean hidden state just before the tool's calls
    Contexts,
    /// The name, as words
    Name,
    /// The name as it stands, without brackets
    Id,
    /// The description
    Description,
    /// Words that have nothing to do with the tool: a control
    #[value(alias = "irrelevant")]
    Unrelated,
    /// What predicts the training calls best as it is: rows of the name or the description, hidden states of that, both together, each
    /// at several scales, or zeros. Best where examples are few
    Chosen,
}

#[derive(Clone, Copy, ValueEnum)]
enum Origin {
    /// Their rows of the word head
    HeadRows,
    /// Their rows of the input embedding
    InputRows,
    /// Final hidden states of the text run by itself
    HiddenStates,
}

#[derive(Clone, Copy, ValueEnum)]
enum Pooling {
    Mean,
    Max,
}

impl Options {
    /// Whether the training calls choose the prior.
    pub fn is_chosen(&self) -> bool {
        matches!(self.prior, Some(Kind::Chosen))
    }

    /// The priors to choose from, each with its scale: one, unless the scale is to be chosen. Where the prior is, `method` is it.
    pub fn priors(&self, method: &Prior, seed: u64) -> anyhow::Result<Vec<(f64, Prior)>> {
        let of_text = [
            ("--prior-source", !matches!(self.prior_source, Origin::HeadRows)),
            ("--pool", matches!(self.pool, Pooling::Max)),
        ];
        let of_rows = [("--scale", self.scale != "as-is"), ("--centred", self.centred)];
        let given = |options: &[(&'static str, bool)]| options.iter().find(|o| o.1).map(|o| o.0);
        let without = match self.prior {
            None | Some(Kind::Zero | Kind::Uniform | Kind::Chosen) => given(&of_text).or(given(&of_rows)),
            Some(Kind::Contexts) => given(&of_text),
            Some(_) => None,
        };
        if let Some(option) = without {
            bail!(
                "{option} has no effect on this prior: name a text with --prior name, id, description or unrelated"
            );
        }
        let unit = |factor| Scale::Unit { factor, centred: self.centred };
        let scales: Vec<(f64, Scale)> = match self.scale.as_str() {
            "as-is" if self.centred => bail!("--centred needs --scale with a number or auto"),
            "as-is" => vec![(1.0, Scale::AsIs)],
            "auto" => SCALES.map(|factor| (factor, unit(factor))).to_vec(),
            number => match number.parse::<f64>() {
                Ok(factor) if factor.is_finite() && factor > 0.0 => vec![(factor, unit(factor))],
                _ => bail!("--scale {number}: expected as-is, auto or a positive number"),
            },
        };
        let source = match self.prior_source {
            Origin::HeadRows => Source::HeadRows,
            Origin::InputRows => Source::InputRows,
            Origin::HiddenStates => Source::HiddenStates { bos: true },
        };
        let pool = match self.pool {
            Pooling::Mean => Pool::Mean,
            Pooling::Max => Pool::Max,
        };
        let text = match self.prior {
            None | Some(Kind::Chosen) => return Ok(vec![(1.0, method.clone())]),
            Some(Kind::Zero) => return Ok(vec![(1.0, Prior::Zero)]),
            Some(Kind::Uniform) => return Ok(vec![(1.0, Prior::Uniform { seed })]),
            Some(Kind::Contexts) => {
                return Ok(scales.into_iter().map(|(s, scale)| (s, Prior::Contexts { scale })).collect());
            }
            Some(Kind::Name) => Text::Name,
            Some(Kind::Id) => Text::BareName,
            Some(Kind::Description) => Text::Description,
            Some(Kind::Unrelated) => Text::Unrelated { seed },
        };
        Ok(scales.into_iter().map(|(s, scale)| (s, Prior::Text { text, source, pool, scale })).collect())
    }

    /// What is known of a corpus' tools.
    pub fn texts(&self, names: &[String]) -> anyhow::Result<Vec<ToolText>> {
        let known = match &self.tools {
            Some(pack) => Pack::at(pack).load_tools()?,
            None => ToolSet::arithmetic(),
        };
        let description = |name: &str| known.by_name(name).map_or("", |tool| &tool.description).to_owned();
        Ok(names.iter().map(|name| ToolText { name: name.clone(), description: description(name) }).collect())
    }
}

/// What a fitted head says of its prior, for a line of text.
pub fn named(head: &Head) -> String {
    let prior = head.meta.method.as_ref().map(|method| serde_json::to_string(&method.prior));
    prior.and_then(Result::ok).unwrap_or_else(|| "unknown".into())
}
