//! The server's life: it starts, takes connections, and shuts down when its work is done.

use crate::config::Config;
use crate::error::ServeError;
use crate::execute::Executor;
use crate::metrics::Metrics;
use crate::packs::Packs;
use crate::routes::{App, router};
use crate::scheduler::Scheduler;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use lm::{ChatTemplate, FrozenLm};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// A server that has its socket and its packs.
pub struct Server {
    app: Arc<App>,
    listener: TcpListener,
    thread: std::thread::JoinHandle<()>,
}

/// Loads the packs, binds the socket, starts the scheduler.
///
/// The model is `'static`, since requests, packs and threads share it to the process' end: `Box::leak` it.
///
/// # Errors
/// An address beyond loopback without a token, a pack that is damaged or of another model, a socket that is taken.
pub async fn start(model: &'static dyn FrozenLm, config: Config) -> Result<Server, ServeError> {
    if !config.address.ip().is_loopback() && config.token.as_deref().unwrap_or_default().is_empty() {
        return Err(ServeError::Config(format!(
            "{} can be reached from other machines: give a token, or listen on 127.0.0.1",
            config.address
        )));
    }
    let template = ChatTemplate::of(model.tokenizer()).map_err(|e| ServeError::Config(e.to_string()))?;
    let packs = Packs::open(model, &config)?;
    let metrics = Arc::new(Metrics::default());
    let io = |what: String| move |source| ServeError::Io { what, source };
    let listener =
        TcpListener::bind(config.address).await.map_err(io(format!("listening on {}", config.address)))?;
    let served = config.served.clone();
    let (scheduler, thread) =
        Scheduler::start(model, config.batch, config.queue, Arc::clone(&metrics), served)
            .map_err(io("starting the scheduler".into()))?;
    let app = App {
        model,
        template,
        packs: Arc::new(packs),
        scheduler: Arc::new(scheduler),
        executor: Arc::new(Executor::default()),
        metrics,
        config: Arc::new(config),
    };
    Ok(Server { app: Arc::new(app), listener, thread })
}

impl Server {
    /// Where it listens: with port 0 the system chose one.
    ///
    /// # Errors
    /// The system's.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What is served, a line or two for people: the model, the packs with their tools, what is run here.
    pub fn summary(&self) -> String {
        let bundle = self.app.packs.current();
        let packs: Vec<String> = bundle
            .packs
            .iter()
            .map(|pack| {
                format!(
                    "pack {} with {} tool{}",
                    pack.name,
                    pack.tools.len(),
                    if pack.tools.len() == 1 { "" } else { "s" }
                )
            })
            .collect();
        let packs = if packs.is_empty() { "no pack, so words alone".to_owned() } else { packs.join("; ") };
        let mut text = format!("{}: {packs}\n", self.app.config.model_name);
        let executed = crate::chat::executed(&self.app, &bundle.tools);
        if !executed.is_empty() {
            text += &format!("run here: {}\n", executed.join(", "));
        }
        for rule in self
            .app
            .config
            .execute
            .iter()
            .filter(|rule| !bundle.tools.names().any(|tool| crate::config::allows(rule, tool)))
        {
            text += &format!("--execute {rule}: no tool has such a name\n");
        }
        let named = |tool: &&tools::Tool| self.app.config.executes(&tool.name);
        let clients = |tool: &&tools::Tool| matches!(tool.runner, tools::Runner::Client);
        let clients = bundle.tools.iter().filter(named).filter(clients);
        let clients: Vec<&str> = clients.map(|tool| tool.name.as_str()).collect();
        if !clients.is_empty() {
            text += &format!(
                "--execute: nothing here can run {}: its calls are the client's\n",
                clients.join(", ")
            );
        }
        text
    }

    /// Serves until `stop` is ready, then lets requests under way come to their end, for as long as the settings say.
    ///
    /// # Errors
    /// None so far: what goes wrong with one connection ends that connection.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
        let Self { app, listener, thread } = self;
        let service = router(Arc::clone(&app));
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(app.config.connections));
        tokio::pin!(stop);
        loop {
            let place = tokio::select! {
                place = Arc::clone(&places).acquire_owned() => place,
                () = &mut stop => break,
            };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut stop => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Too many open files, or a client that left at once: neither is a reason to end.
                    tracing::warn!("a connection could not be taken: {error}");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    continue;
                }
            };
            let _ = stream.set_nodelay(true); // it only makes small chunks faster
            let service = TowerToHyperService::new(service.clone().layer(axum::Extension(peer)));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(app.config.read_limit)
                .max_buf_size(64 * 1024)
                .serve_connection(TokioIo::new(stream), service);
            let connection = graceful.watch(connection);
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!("a connection ended: {error}");
                }
                drop(place);
            });
        }
        drop(listener);
        if tokio::time::timeout(app.config.drain, graceful.shutdown()).await.is_err() {
            tracing::warn!("some requests did not end in time");
        }
        app.scheduler.stop();
        let ended = tokio::task::spawn_blocking(move || thread.join());
        if tokio::time::timeout(app.config.drain, ended).await.is_err() {
            tracing::warn!("the scheduler did not end in time");
        }
        Ok(())
    }
}
