//! The table of paths: each with the least role that may use it. There is no other way into the router.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{OpenApi, RefOr, ResponseBuilder};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::House;
use super::caller::{self, Door};
use crate::access::Role;

/// One path with one method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub method: Method,
    /// With `{names}` for its parts that differ.
    pub path: String,
    /// Nothing: everybody.
    pub least: Option<Role>,
}

/// What the router is built of.
pub struct Routes {
    house: Arc<House>,
    router: OpenApiRouter<Arc<House>>,
    table: Vec<Route>,
}

/// What the guard of one path knows.
#[derive(Clone)]
struct Guard {
    house: Arc<House>,
    least: Role,
    door: Door,
}

impl Routes {
    pub fn new(house: Arc<House>, about: OpenApi) -> Self {
        Self { house, router: OpenApiRouter::with_openapi(about), table: Vec::new() }
    }

    /// For everybody, without a login.
    pub fn open<T: 'static>(mut self, method: Method, path: &str, handler: impl Handler<T, Arc<House>>) -> Self {
        self.table.push(Route { method: method.clone(), path: path.to_owned(), least: None });
        self.router = self.router.route(path, MethodRouter::new().on(filter(&method), handler));
        self
    }

    /// For people: whoever is not logged in is sent to do so.
    pub fn page<T: 'static>(self, least: Role, method: Method, path: &str, handler: impl Handler<T, Arc<House>>) -> Self {
        self.guarded(least, Door::Page, method, path, handler)
    }

    /// For programs, without a description.
    pub fn plain<T: 'static>(self, least: Role, path: &str, handler: impl Handler<T, Arc<House>>) -> Self {
        self.guarded(least, Door::Api, Method::GET, path, handler)
    }

    /// For programs; method, path and words stand at the handler.
    pub fn api(mut self, least: Role, (schemas, mut paths, methods): UtoipaMethodRouter<Arc<House>>) -> Self {
        for (path, item) in &mut paths.paths {
            for (method, operation) in operations(item) {
                describe(operation, least);
                self.table.push(Route { method, path: path.clone(), least: Some(least) });
            }
        }
        let guarded = methods.route_layer(middleware::from_fn_with_state(self.guard(least, Door::Api), admit));
        self.router = self.router.routes((schemas, paths, guarded));
        self
    }

    fn guarded<T: 'static>(mut self, least: Role, door: Door, method: Method, path: &str, handler: impl Handler<T, Arc<House>>) -> Self {
        let layer = middleware::from_fn_with_state(self.guard(least, door), admit);
        let methods = MethodRouter::new().on(filter(&method), handler).route_layer(layer);
        self.table.push(Route { method, path: path.to_owned(), least: Some(least) });
        self.router = self.router.route(path, methods);
        self
    }

    fn guard(&self, least: Role, door: Door) -> Guard {
        Guard { house: self.house.clone(), least, door }
    }

    pub fn into_parts(self) -> (Router<Arc<House>>, OpenApi, Vec<Route>) {
        let (router, about) = self.router.split_for_parts();
        (router, about, self.table)
    }
}

/// Lets through who may, and says to the handler who it is.
async fn admit(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    match caller::admit(&guard.house, guard.least, guard.door, &head).await {
        Ok(caller) => {
            head.extensions.insert(caller);
            next.run(Request::from_parts(head, body)).await
        }
        Err(refusal) => refusal,
    }
}

fn filter(method: &Method) -> MethodFilter {
    if *method == Method::POST { MethodFilter::POST } else { MethodFilter::GET }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let all = [
        (Method::GET, &mut item.get),
        (Method::PUT, &mut item.put),
        (Method::POST, &mut item.post),
        (Method::PATCH, &mut item.patch),
        (Method::DELETE, &mut item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// What is so for every operation with a guard.
fn describe(operation: &mut Operation, least: Role) {
    let words = operation.description.get_or_insert_default();
    if !words.is_empty() {
        words.push_str("\n\n");
    }
    words.push_str(&format!("Needs the role `{}`.", least.name()));
    let takes = (operation.request_body.is_some(), operation.parameters.as_ref().is_some_and(|all| !all.is_empty()));
    let of_body = [
        ("400", "This is no JSON"),
        ("413", "The body is too large"),
        ("415", "The body is not said to be JSON"),
        ("422", "A field is not taken; `field` says which"),
    ];
    let of_parameters = [("400", "A parameter is not taken")];
    let always = [
        ("401", "Nobody is logged in, or the token is none"),
        ("403", "The role is not enough, or the request is not from a page of this session"),
        ("503", "The watch does not answer"),
    ];
    let of_body = of_body.into_iter().filter(|_| takes.0);
    for (code, answer) in &mut operation.responses.responses {
        if let RefOr::T(answer) = answer
            && answer.description.is_empty()
        {
            answer.description = if code == "201" { "It is made" } else { "What was asked for" }.to_owned();
        }
    }
    for (code, why) in of_body.chain(of_parameters.into_iter().filter(|_| takes.1)).chain(always) {
        let problem = ResponseBuilder::new().description(why).content("application/problem+json", super::problem::content());
        operation.responses.responses.entry(code.to_owned()).or_insert_with(|| RefOr::T(problem.build()));
    }
}
