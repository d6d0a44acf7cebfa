//! `POST /v1/completions`: the plain language model.

use crate::chat::{Frame, events, json_response};
use crate::error::ApiError;
use crate::protocol::{CompletionRequest, parse};
use crate::routes::App;
use axum::response::Response;
use decode::{Calling, Event, Finish, Generation, Prompt, Request};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::mpsc::channel;

/// Answers a request, whole or as a stream.
pub(crate) async fn answer(app: &Arc<App>, client: &str, body: &[u8]) -> Result<Response, ApiError> {
    let request: CompletionRequest = parse(body, "completion request")?;
    app.check_model(request.model.as_deref())?;
    if request.logprobs.is_some() || request.echo == Some(true) {
        return Err(ApiError::bad("logprobs", "logprobs and echo are served for chat alone"));
    }
    let prompt = match &request.prompt {
        Value::String(text) => text.clone(),
        Value::Array(texts) if texts.len() == 1 && texts[0].is_string() => {
            texts[0].as_str().unwrap_or_default().to_owned()
        }
        _ => return Err(ApiError::bad("prompt", "expected one text")),
    };
    let mut settings = request.sampling.settings(app.config.max_tokens)?;
    settings.calling = Calling::Off;
    let (counter, text) = (Arc::clone(app), prompt.clone());
    let length = tokio::task::spawn_blocking(move || counter.raw_tokens(&text))
        .await
        .map_err(|e| ApiError::internal(e.to_string()))??;
    if length >= app.context() {
        return Err(ApiError {
            code: Some("context_length_exceeded"),
            ..ApiError::bad(
                "prompt",
                format!("the prompt has {length} tokens, at most {} are taken", app.context() - 1),
            )
        });
    }
    settings.max_tokens = settings.max_tokens.min(app.context() - length);
    let job = Request { settings, ..Request::new(Prompt::Raw(prompt)) };
    let mut outputs = app.scheduler.submit(client, job, Arc::clone(&app.packs.words), false)?;
    let frame = Frame::new(app, "cmpl");
    let choice = |text: &str, finish: Value| json!([{"index": 0, "text": text, "logprobs": null, "finish_reason": finish}]);
    if request.sampling.stream != Some(true) {
        while let Some(output) = outputs.recv().await {
            match output {
                Ok(Event::Done(generation)) => {
                    let mut body =
                        frame.object("text_completion", choice(&generation.text, json!(reason(&generation))));
                    body["usage"] = usage(&generation);
                    return Ok(json_response(&body));
                }
                Err(failure) => return Err(failure.answer("prompt")),
                Ok(_) => {}
            }
        }
        return Err(ApiError::internal("the engine ended"));
    }
    // A request that fails at once gets a status, not a stream.
    let mut next = outputs.recv().await;
    if let Some(Err(failure)) = next {
        return Err(failure.answer("prompt"));
    }
    let (out, lines) = channel::<Result<String, Infallible>>(64);
    let with_usage = request.sampling.include_usage();
    tokio::spawn(async move {
        let line = |body: Value| Ok(format!("data: {body}\n\n"));
        loop {
            let (body, last) = match next {
                Some(Ok(Event::Text(text))) => {
                    (frame.object("text_completion", choice(&text, Value::Null)), false)
                }
                Some(Ok(Event::Done(generation))) => {
                    let mut body = frame.object("text_completion", choice("", json!(reason(&generation))));
                    if with_usage {
                        body["usage"] = usage(&generation);
                    }
                    (body, true)
                }
                Some(Err(failure)) => (failure.answer("prompt").json(), true),
                Some(Ok(_)) => (Value::Null, false),
                None => (ApiError::internal("the engine ended").json(), true),
            };
            if !body.is_null() && out.send(line(body)).await.is_err() {
                return;
            }
            if last {
                let _ = out.send(Ok("data: [DONE]\n\n".to_owned())).await;
                return;
            }
            next = tokio::select! {
                output = outputs.recv() => output,
                () = out.closed() => return, // the reader left: dropping `outputs` cancels the job
            };
        }
    });
    Ok(events(lines))
}

fn reason(generation: &Generation) -> &'static str {
    match generation.finish {
        Finish::EndOfText | Finish::Stop { .. } => "stop",
        _ => "length",
    }
}

fn usage(generation: &Generation) -> Value {
    let (prompt, completion) = (generation.tokens.prompt, generation.tokens.chosen);
    json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})
}
