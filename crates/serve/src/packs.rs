//! The packs in use. A request takes the bundle that is current when it begins and keeps it; packs come and go by replacing
//! the bundle.

use crate::config::{Config, UnknownTools};
use crate::error::{ApiError, ServeError};
use axum::http::StatusCode;
use decode::{Extended, Grammars, Served};
use head::Head;
use lm::FrozenLm;
use pack::{Cache, Example, Examples, Report, call_name};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tools::{Pack, Tool, ToolSet};

/// Vocabularies with tools of requests that are kept.
const KEPT_GUESTS: usize = 8;

/// A loaded pack.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub name: String,
    pub dir: PathBuf,
    pub tools: ToolSet,
    pub examples: Examples,
    pub head: Head,
    pub report: Option<Report>,
    /// What a tool without examples gets.
    pub offset: f32,
    /// How much more likely than a call's end another parameter must be.
    pub margin: f32,
}

/// All packs together, ready to decode with.
pub(crate) struct Bundle {
    pub packs: Vec<Arc<Loaded>>,
    pub tools: Arc<ToolSet>,
    pub extended: Arc<Extended<'static>>,
    guests: Mutex<VecDeque<Guest>>,
}

impl Bundle {
    /// Without a pack.
    fn words_alone(words: &Arc<Extended<'static>>) -> Self {
        Self {
            packs: Vec::new(),
            tools: Arc::default(),
            extended: Arc::clone(words),
            guests: Mutex::default(),
        }
    }
}

/// A vocabulary with tools that only a request had: their definitions, and what was made of them.
type Guest = (String, (Arc<ToolSet>, Arc<Extended<'static>>));

/// The packs of a server.
pub(crate) struct Packs {
    model: &'static dyn FrozenLm,
    pub grammars: Arc<Grammars>,
    pub words: Arc<Extended<'static>>,
    current: RwLock<Arc<Bundle>>,
    /// One change at a time.
    changing: Mutex<()>,
    /// One fit of clients' tools at a time.
    placing: Mutex<()>,
    folder: Option<PathBuf>,
    /// The engine that generates, if that is elsewhere: it has the tools that its vocabulary has.
    served: Option<Served>,
}

impl Packs {
    pub fn open(model: &'static dyn FrozenLm, config: &Config) -> Result<Self, ServeError> {
        let grammars = Arc::new(Grammars::new(model.tokenizer()).map_err(ServeError::Config)?);
        let words = Extended::words_only(model, Some(Arc::clone(&grammars)));
        let words = Arc::new(words.within(config.context.map_or(usize::MAX, |limit| limit.max(2))));
        let packs = Self {
            model,
            grammars,
            current: RwLock::new(Arc::new(Bundle::words_alone(&words))),
            words,
            changing: Mutex::new(()),
            placing: Mutex::new(()),
            folder: config.packs_dir.clone(),
            served: config.served.clone(),
        };
        let loaded: Vec<Arc<Loaded>> =
            config.packs.iter().map(|dir| load(dir).map(Arc::new)).collect::<Result<_, _>>()?;
        if let Some(twin) =
            loaded.iter().enumerate().find(|(i, one)| loaded[..*i].iter().any(|other| other.name == one.name))
        {
            let message = "two packs have this name, which is their folder's: rename one of the folders";
            return Err(ServeError::Pack { name: twin.1.name.clone(), message: message.into() });
        }
        packs.replace(loaded)?;
        Ok(packs)
    }

    /// The packs as they are now.
    pub fn current(&self) -> Arc<Bundle> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, packs: Vec<Arc<Loaded>>) -> Result<(), ServeError> {
        let made = self.bundle(packs)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(made);
        Ok(())
    }

    fn bundle(&self, packs: Vec<Arc<Loaded>>) -> Result<Bundle, ServeError> {
        if packs.is_empty() {
            return Ok(Bundle::words_alone(&self.words));
        }
        let name = || packs.iter().map(|pack| pack.name.as_str()).collect::<Vec<_>>().join(" + ");
        let fault = |message: String| ServeError::Pack { name: name(), message };
        let parts: Vec<(&ToolSet, &Head)> = packs.iter().map(|pack| (&pack.tools, &pack.head)).collect();
        let (tools, head) = pack::merge(&parts).map_err(|e| fault(e.to_string()))?;
        let extended = Arc::new(self.extended(&head, &tools, &packs).map_err(fault)?);
        Ok(Bundle { packs, tools: Arc::new(tools), extended, guests: Mutex::default() })
    }

    /// The words with a head's tools, and what packs know of them.
    fn extended(
        &self,
        head: &Head,
        tools: &ToolSet,
        packs: &[Arc<Loaded>],
    ) -> Result<Extended<'static>, String> {
        let extended = Extended::new(self.model, head, tools, Some(Arc::clone(&self.grammars)))
            .map_err(|e| e.to_string())?;
        if let Some(served) = &self.served {
            served.check(&extended).map_err(|e| e.to_string())?;
        }
        let taught = packs.iter().flat_map(|pack| pack::taught(&pack.examples, &pack.tools, pack.margin));
        Ok(extended.within(self.words.context()).taught(taught.collect()))
    }

    /// Loads a pack by name from the packs' folder, or loads it again.
    pub fn load(&self, name: &str) -> Result<(), ApiError> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let bundle = self.current();
        let known = bundle.packs.iter().find(|pack| pack.name == name).map(|pack| pack.dir.clone());
        // A name, never a path: it has no separators and no dots at its start.
        let plain = !name.is_empty()
            && !name.starts_with('.')
            && name.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
        let dir = known.or_else(|| self.folder.as_ref().filter(|_| plain).map(|folder| folder.join(name)));
        let dir = dir.filter(|dir| dir.is_dir()).ok_or_else(|| {
            let message = "there is no such pack in the server's folder of packs (--packs-dir)";
            ApiError::new(StatusCode::NOT_FOUND, message)
        })?;
        let loaded = load(&dir).map_err(conflict)?;
        let mut packs: Vec<_> = bundle.packs.iter().filter(|pack| pack.name != name).cloned().collect();
        packs.push(Arc::new(loaded));
        self.replace(packs).map_err(conflict)
    }

    /// Takes a pack out of use.
    pub fn unload(&self, name: &str) -> Result<(), ApiError> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.find(name)?;
        self.replace(self.current().packs.iter().filter(|pack| pack.name != name).cloned().collect())
            .map_err(conflict)
    }

    pub fn find(&self, name: &str) -> Result<Arc<Loaded>, ApiError> {
        let bundle = self.current();
        let found = bundle.packs.iter().find(|pack| pack.name == name);
        found
            .cloned()
            .ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, format!("no pack `{name}` is loaded")))
    }

    /// Fits a pack again with other examples, in memory: of its files only what the model has read of examples grows.
    pub fn refit(&self, name: &str, examples: Vec<Example>) -> Result<(), ApiError> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.find(name)?;
        let examples = Examples(examples);
        let cache = old.dir.join("features.safetensors");
        let cache = Cache { path: &cache, grows: true };
        let head = pack::refit(self.model, &old.tools, &examples, Some(cache), &old.head, old.offset)
            .map_err(|e| ApiError::bad("examples", e.to_string()))?;
        let new = Arc::new(Loaded { examples, head, report: None, ..(*old).clone() });
        let bundle = self.current();
        let packs = bundle.packs.iter().map(|pack| if pack.name == name { &new } else { pack });
        self.replace(packs.cloned().collect()).map_err(conflict)
    }

    /// What a request with these tools decodes with: the bundle's vocabulary, or one with the tools that no pack has.
    pub fn select(
        &self,
        bundle: &Arc<Bundle>,
        requested: &[Value],
        policy: UnknownTools,
    ) -> Result<Selected, ApiError> {
        let wanted = pack::from_json(&Value::Array(requested.to_vec()))
            .map_err(|e| ApiError::bad("tools", e.to_string()))?;
        let names: Vec<String> = wanted.iter().map(|tool| tool.name.clone()).collect();
        let guests: Vec<Tool> =
            wanted.into_iter().filter(|tool| bundle.tools.index(&tool.name).is_none()).collect();
        if guests.is_empty() {
            return Ok(Selected {
                extended: Arc::clone(&bundle.extended),
                tools: Arc::clone(&bundle.tools),
                names,
            });
        }
        if policy == UnknownTools::Refuse {
            let names: Vec<&str> = guests.iter().map(|tool| tool.name.as_str()).collect();
            return Err(ApiError::bad(
                "tools",
                format!(
                    "no loaded pack has {}: add them with `toolken pack add-tool`, or start the server with --unknown-tools prior",
                    names.join(", ")
                ),
            ));
        }
        if let Some(odd) = guests.iter().find(|tool| call_name(&tool.name) != tool.name) {
            return Err(ApiError::bad(
                "tools",
                format!("`{}`: a name is of letters, digits, _ and -, 64 at most", odd.name),
            ));
        }
        let key = format!("{guests:?}");
        let kept = || bundle.guests.lock().unwrap_or_else(PoisonError::into_inner);
        let known = || kept().iter().find(|(known, _)| *known == key).map(|(_, made)| made.clone());
        if let Some((tools, extended)) = known() {
            return Ok(Selected { extended, tools, names });
        }
        // One fit at a time, and not under the lock of those that are there: many new tools take seconds.
        let _one = self.placing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((tools, extended)) = known() {
            return Ok(Selected { extended, tools, names });
        }
        let made = self.with_guests(bundle, guests).map_err(|e| ApiError::bad("tools", e))?;
        let mut kept = kept();
        if kept.len() >= KEPT_GUESTS {
            kept.pop_front();
        }
        kept.push_back((key, made.clone()));
        Ok(Selected { extended: made.1, tools: made.0, names })
    }

    fn with_guests(
        &self,
        bundle: &Bundle,
        guests: Vec<Tool>,
    ) -> Result<(Arc<ToolSet>, Arc<Extended<'static>>), String> {
        // The guests are placed beside the first pack's tools, whose talk and examples say where no tool is wanted.
        let first =
            bundle.packs.first().ok_or("no pack is loaded, beside whose tools a new one could be placed")?;
        let tools =
            ToolSet::new(first.tools.iter().cloned().chain(guests).collect()).map_err(|e| e.to_string())?;
        let cache = first.dir.join("features.safetensors");
        // What clients bring does not stay on the disk.
        let cache = Some(Cache { path: &cache, grows: false });
        let head = pack::refit(self.model, &tools, &first.examples, cache, &first.head, first.offset)
            .map_err(|e| e.to_string())?;
        let mut parts: Vec<(&ToolSet, &Head)> = vec![(&tools, &head)];
        parts.extend(bundle.packs.iter().skip(1).map(|pack| (&pack.tools, &pack.head)));
        let (tools, head) = pack::merge(&parts).map_err(|e| e.to_string())?;
        let extended = self.extended(&head, &tools, &bundle.packs)?;
        Ok((Arc::new(tools), Arc::new(extended)))
    }
}

/// What a request decodes with.
pub(crate) struct Selected {
    /// The words and the tools.
    pub extended: Arc<Extended<'static>>,
    /// The tools, in the order of the rows.
    pub tools: Arc<ToolSet>,
    /// The names of those that the request turns on.
    pub names: Vec<String>,
}

impl Loaded {
    /// What `GET /packs` says of it.
    pub fn summary(&self) -> Value {
        json!({
            "name": self.name, "tools": self.tools.len(), "examples": self.examples.0.len(),
            "model": self.head.meta.model, "date": self.head.meta.date,
        })
    }

    /// What `GET /packs/NAME` says of it.
    pub fn details(&self) -> Value {
        let tools: Vec<Value> = self.tools.iter().map(|tool| json!({"name": tool.name, "description": tool.description, "parameters": tool.parameters})).collect();
        json!({
            "name": self.name, "tools": tools, "examples": self.examples.0, "report": self.report,
            "bias": self.head.bias, "lambda": self.head.meta.lambda, "map": crate::map::map(&self.head),
        })
    }
}

fn conflict(error: ServeError) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, error.to_string())
}

fn load(dir: &Path) -> Result<Loaded, ServeError> {
    let name = dir.file_name().map_or_else(|| "pack".to_owned(), |name| name.to_string_lossy().into_owned());
    let fault = |message: String| ServeError::Pack { name: name.clone(), message };
    let (tools, examples, head) = pack::load(&Pack::at(dir)).map_err(|e| fault(e.to_string()))?;
    let head = head.ok_or_else(|| fault("it has no head: fit it with `toolken pack fit`".into()))?;
    if pack::is_stale(&head, &tools, &examples) {
        tracing::warn!(
            "pack {name}: its tools or examples are not those that its head was fitted to: fit it again"
        );
    }
    let report = pack::load_report(&Pack::at(dir));
    let (offset, margin) = report.as_ref().map_or((0.0, 0.0), |report| (report.offset(), report.margin()));
    Ok(Loaded { name, dir: dir.to_owned(), tools, examples, head, report, offset, margin })
}
