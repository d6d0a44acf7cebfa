//! Several heads as one.

use crate::FitError;
use head::{Head, HeadMeta};
use lm::Matrix;
use sha2::{Digest, Sha256};
use tools::{Tool, ToolSet};

/// Joins packs' tools and heads. Each head keeps its own threshold: it becomes part of its tools' offsets.
///
/// The heads were fitted apart, so that a tool of one has never been told from a tool of the other: where they overlap, fit
/// the merged examples.
///
/// # Errors
/// No packs, a tool that two of them have, heads of different models.
pub fn merge(packs: &[(&ToolSet, &Head)]) -> Result<(ToolSet, Head), FitError> {
    let ((_, first), rest) =
        packs.split_first().ok_or_else(|| FitError::Input("there is no pack to merge".into()))?;
    for (_, other) in rest {
        if other.meta.model_digest != first.meta.model_digest || other.width() != first.width() {
            return Err(FitError::Input(format!(
                "the packs are of different models: `{}` and `{}`; fit one of them for the other's model",
                first.meta.model, other.meta.model
            )));
        }
    }
    let mut tools: Vec<Tool> = Vec::new();
    let (mut names, mut weights, mut prior, mut offsets, mut unfitted) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (set, head) in packs {
        for name in &head.tools {
            let tool = set.by_name(name).ok_or_else(|| {
                FitError::Input(format!(
                    "the head has a row for `{name}`, which is not among its pack's tools"
                ))
            })?;
            if names.contains(name) {
                return Err(FitError::Input(format!("two packs have a tool `{name}`: rename one of them")));
            }
            names.push(name.clone());
            tools.push(tool.clone());
        }
        weights.extend_from_slice(head.weights.data());
        prior.extend_from_slice(head.prior.data());
        offsets.extend(head.offsets.iter().map(|offset| offset + head.bias));
        unfitted.extend(head.meta.unfitted.iter().cloned());
    }
    let (rows, width) = (names.len(), first.width());
    let mut head = Head::new(names, Matrix::new(rows, width, weights))?;
    head.prior = Matrix::new(rows, width, prior);
    head.offsets = offsets;
    head.meta = first.meta.clone();
    if packs.len() > 1 {
        // What all agree in stands; the digest is of all that they were fitted on.
        let metas = || packs.iter().map(|(_, head)| &head.meta);
        let same = |of: &dyn Fn(&HeadMeta) -> String| metas().all(|meta| of(meta) == of(&first.meta));
        if !same(&|meta| format!("{:?} {:?}", meta.lambda, meta.method)) {
            // The first's method stays, for a refit to begin with; no λ is claimed for the whole.
            (head.meta.lambda, head.meta.lambda_scaled) = (None, None);
            head.meta.solver = "merged from several fits".into();
        }
        let digests: Vec<&str> = metas().map(|meta| meta.corpus_digest.as_str()).collect();
        let digest = Sha256::digest(digests.join("\n"));
        head.meta.corpus_digest = hex::encode(digest);
        head.meta.metrics = None;
        head.meta.unfitted = unfitted;
    }
    let tools = ToolSet::new(tools).map_err(|e| FitError::Input(e.to_string()))?;
    Ok((tools, head))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pack(name: &str, bias: f32, digest: &str) -> (ToolSet, Head) {
        let tools = ToolSet::new(vec![Tool::client(name, "", json!({"type": "object"}))]).unwrap();
        let mut head = Head::new(vec![name.into()], Matrix::new(1, 2, vec![bias, 1.0])).unwrap();
        head.bias = bias;
        head.meta.model_digest = digest.into();
        (tools, head)
    }

    #[test]
    fn a_merged_head_calls_where_its_parts_would() {
        let (a, b) = (pack("a", 2.0, "m"), pack("b", -1.0, "m"));
        let (tools, head) = merge(&[(&a.0, &a.1), (&b.0, &b.1)]).unwrap();
        assert_eq!(tools.names().collect::<Vec<_>>(), ["a", "b"]);
        let h = [3.0, 5.0];
        let expected = [a.1.logits(&h)[0] + 2.0, b.1.logits(&h)[0] - 1.0];
        assert_eq!((head.logits(&h).as_slice(), head.bias), (&expected[..], 0.0));
        assert!(merge(&[(&a.0, &a.1), (&a.0, &a.1)]).unwrap_err().to_string().contains("`a`"));
        let other = pack("c", 0.0, "other");
        assert!(
            merge(&[(&a.0, &a.1), (&other.0, &other.1)])
                .unwrap_err()
                .to_string()
                .contains("different models")
        );
        assert!(merge(&[]).is_err());
    }
}
