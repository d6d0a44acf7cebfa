//! Tasks: a household at its start, what is to be done, a script that does it, and what the household is then.

use super::error::HomeError;
use super::scene::{Equivalence, NodeStates, Patch, Scene};
use super::state::Home;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// The longest file, unpacked, in bytes.
const LONGEST_FILE: u64 = 1 << 30;

/// A task as the shared files hold it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct HomeTask {
    /// Unique in its file.
    pub id: String,
    /// What is done, in a few words; tasks of one title are variants.
    pub title: String,
    /// What is done, in a sentence.
    pub goal: String,
    /// A script that does it.
    pub script: Vec<String>,
    /// The household at the start, as a change of the base scene.
    pub init: Patch,
    /// The household in the end, as a change of that at the start.
    pub final_from_init: Patch,
}

impl HomeTask {
    /// The nodes that the task is to change, with the states that they are to have in the end. (Of VirtualHome's tasks, five list
    /// a node whose states are those of the start: any plan that can be carried out does these.)
    pub fn wanted(&self) -> Vec<NodeStates> {
        let of = |node: &super::Node| NodeStates { id: node.id, states: node.states.clone() };
        self.final_from_init.add_nodes.iter().map(of).collect()
    }

    /// Whether every node that the task is to change has the states that it should have.
    pub fn reached(&self, home: &Home) -> bool {
        self.wanted().iter().all(|wanted| {
            home.scene.node(wanted.id).is_some() && home.node(wanted.id).states == wanted.states
        })
    }
}

/// The base scene, the class names that stand for others, and tasks.
#[derive(Clone, Debug)]
pub struct Tasks {
    /// The scene that tasks start from.
    pub base: Arc<Scene>,
    /// Names that stand for others.
    pub names: Arc<Equivalence>,
    /// The tasks, in the file's order.
    pub tasks: Vec<HomeTask>,
}

impl Tasks {
    /// Reads the files, which may be compressed by gzip. Without a file of names, the one called
    /// `class_name_equivalence.json` beside the base is read.
    ///
    /// # Errors
    /// The file, and the line of the tasks, that is not as expected.
    pub fn read(base: &Path, tasks: &Path, names: Option<&Path>) -> Result<Self, HomeError> {
        let beside = base.with_file_name("class_name_equivalence.json");
        let names = names.unwrap_or(&beside);
        let equivalence =
            Equivalence::from_json(&read(names)?).map_err(|e| HomeError::data(names, 0, e.to_string()))?;
        let scene = Scene::from_json(&read(base)?).map_err(|e| HomeError::data(base, 0, e))?;
        let mut found = Vec::new();
        for (number, line) in lines(&read_text(tasks)?) {
            let task =
                serde_json::from_str(line).map_err(|e| HomeError::data(tasks, number, e.to_string()))?;
            found.push(task);
        }
        Ok(Self { base: Arc::new(scene), names: Arc::new(equivalence), tasks: found })
    }

    /// The household at a task's start.
    ///
    /// # Errors
    /// A change that leaves no scene, with the task.
    pub fn home(&self, task: &HomeTask) -> Result<Home, HomeError> {
        let scene = self.base.patched(&task.init);
        let scene = scene.map_err(|source| HomeError::Scene { task: task.id.clone(), source })?;
        Ok(Home::new(Arc::new(scene), Arc::clone(&self.names)))
    }
}

/// A file's bytes, unpacked if they are packed.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, HomeError> {
    let io = |source| HomeError::Io { path: path.to_owned(), source };
    let bytes = fs::read(path).map_err(io)?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    let mut reader = MultiGzDecoder::new(bytes.as_slice()).take(LONGEST_FILE + 1);
    reader.read_to_end(&mut unpacked).map_err(|e| HomeError::data(path, 0, format!("damaged gzip: {e}")))?;
    if unpacked.len() as u64 > LONGEST_FILE {
        return Err(HomeError::data(path, 0, format!("more than {LONGEST_FILE} bytes when unpacked")));
    }
    Ok(unpacked)
}

pub(super) fn read_text(path: &Path) -> Result<String, HomeError> {
    String::from_utf8(read(path)?).map_err(|e| {
        HomeError::data(path, 0, format!("not UTF-8 from byte {} on", e.utf8_error().valid_up_to()))
    })
}

/// The lines that say something, with their numbers from 1.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty())
}
