//! The functions and their routes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::TemplateError;
use super::resolve::{Resolver, Resource};
use super::role::Role;
use super::stream::StreamSource;
use super::value::{Object, merge, text};

/// One `AWS::Serverless::Function`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// The HTTP API routes that call it.
    pub routes: Vec<Route>,
    /// What of the table's stream it is called with.
    pub streams: Vec<StreamSource>,
    /// The new objects of the bucket that it is called for.
    pub arrivals: Option<Arrivals>,
    /// How often it is called by the clock alone.
    pub schedules: Vec<Schedule>,
    /// How long one call may take.
    pub timeout: Duration,
    /// Memory in MB.
    pub memory: u32,
    /// The logical id of its role.
    pub role: String,
    /// Its environment. References to secrets are left as written (`{{resolve:…}}`).
    pub environment: BTreeMap<String, String>,
}

/// New objects of the bucket that call a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrivals {
    /// What their keys begin with.
    pub prefix: String,
    /// How often a call is made again when it fails.
    pub retries: u64,
}

/// Reads what the keys of objects begin with that an event tells of: the one kind of filter that is known here.
fn prefix(event: &Object) -> Result<String, TemplateError> {
    let mut prefix = String::new();
    let settings = event.optional_object("Properties")?.ok_or_else(|| event.error("no Properties"))?;
    if let Some(filter) = settings.optional_object("Filter")?
        && let Some(key) = filter.optional_object("S3Key")?
    {
        for rule in key.objects("Rules")? {
            if rule.text("Name")? != "prefix" {
                return Err(rule.error("a rule of another kind than prefix is not known locally"));
            }
            prefix = rule.text("Value")?;
        }
    }
    Ok(prefix)
}

/// A schedule that calls a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The event's name in the template.
    pub name: String,
    /// The time from one call to the next.
    pub every: Duration,
}

impl Schedule {
    /// Reads `rate(1 day)`, the one form that is known here.
    fn read(name: &str, event: &Object) -> Result<Self, TemplateError> {
        let settings = event.optional_object("Properties")?.ok_or_else(|| event.error("no Properties"))?;
        let text = settings.text("Schedule")?;
        let every = text.strip_prefix("rate(").and_then(|rest| rest.strip_suffix(')')).and_then(|rate| {
            let (number, unit) = rate.split_once(' ')?;
            let seconds = match unit.trim_end_matches('s') {
                "minute" => 60,
                "hour" => 60 * 60,
                "day" => 24 * 60 * 60,
                _ => return None,
            };
            Some(Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?))
        });
        let every = every.filter(|every| !every.is_zero());
        let every = every.ok_or_else(|| settings.error(format!("Schedule {text} is not known locally")))?;
        Ok(Self { name: name.to_owned(), every })
    }
}

/// A route of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The method in capitals, or `ANY`.
    pub method: String,
    /// The path with its `{parameters}`, or `$default`.
    pub path: String,
}

impl Route {
    /// The route key, as API Gateway writes it: `GET /api/clients/{id}` or `$default`.
    pub fn key(&self) -> String {
        if self.path == "$default" { self.path.clone() } else { format!("{} {}", self.method, self.path) }
    }
}

const NEEDED: [&str; 6] = ["Timeout", "MemorySize", "Role", "Environment", "Events", "EventInvokeConfig"];

pub(super) fn read(
    resolver: &Resolver<'_>,
    roles: &BTreeMap<String, Role>,
) -> Result<BTreeMap<String, Function>, TemplateError> {
    let mut functions = BTreeMap::new();
    for resource in resolver.resources("AWS::Serverless::Function")? {
        let properties = properties(resolver, &resource)?;
        let function = function(&properties, roles)?;
        functions.insert(resource.id.to_owned(), function);
    }
    Ok(functions)
}

/// The needed properties of a function, laid over those of `Globals`.
fn properties(resolver: &Resolver<'_>, resource: &Resource<'_>) -> Result<Object, TemplateError> {
    let globals = resolver.globals.and_then(|all| all.get("Function"));
    let mut fields = serde_json::Map::new();
    for name in NEEDED {
        let place = resolver.place(&["Globals", "Function", name]);
        let global = match globals.and_then(|all| all.get(name)) {
            Some(value) => resolver.resolve(&place, value, 0)?,
            None => None,
        };
        if let Some(value) = merge(global, resolver.property(resource, name)?) {
            fields.insert(name.to_owned(), value);
        }
    }
    Ok(Object { place: resolver.place(&[resource.id]), fields })
}

fn function(properties: &Object, roles: &BTreeMap<String, Role>) -> Result<Function, TemplateError> {
    let arn = properties.text("Role")?;
    let role = roles
        .iter()
        .find(|(_, role)| role.arn == arn)
        .map(|(id, _)| id.clone())
        .ok_or_else(|| properties.error(format!("its Role {arn} is no role of this template")))?;
    let mut environment = BTreeMap::new();
    if let Some(block) = properties.optional_object("Environment")?
        && let Some(variables) = block.optional_object("Variables")?
    {
        for (name, value) in &variables.fields {
            let value = text(value).ok_or_else(|| variables.error(format!("{name} is not a string")))?;
            environment.insert(name.clone(), value);
        }
    }
    let Events { routes, streams, schedules, objects } = events(properties)?;
    let retries = match properties.optional_object("EventInvokeConfig")? {
        Some(settings) => settings.optional_number("MaximumRetryAttempts")?,
        None => None,
    };
    Ok(Function {
        routes,
        streams,
        schedules,
        // Lambda's default.
        arrivals: objects.map(|prefix| Arrivals { prefix, retries: retries.unwrap_or(2) }),
        // SAM's defaults.
        timeout: Duration::from_secs(properties.optional_number("Timeout")?.unwrap_or(3)),
        memory: u32::try_from(properties.optional_number("MemorySize")?.unwrap_or(128))
            .map_err(|_| properties.error("MemorySize is out of range"))?,
        role,
        environment,
    })
}

/// What calls a function.
#[derive(Default)]
struct Events {
    routes: Vec<Route>,
    streams: Vec<StreamSource>,
    schedules: Vec<Schedule>,
    /// What the keys of the objects begin with.
    objects: Option<String>,
}

fn events(properties: &Object) -> Result<Events, TemplateError> {
    let mut found = Events::default();
    let Some(events) = properties.optional_object("Events")? else {
        return Ok(found);
    };
    for name in events.fields.keys() {
        let Some(event) = events.optional_object(name)? else {
            continue;
        };
        match event.text("Type")?.as_str() {
            "HttpApi" => found.routes.push(route(&event)?),
            // There is one table, so there is one stream.
            "DynamoDB" => found.streams.push(StreamSource::read(name, &event)?),
            "Schedule" => found.schedules.push(Schedule::read(name, &event)?),
            // There is one bucket, too.
            "S3" => found.objects = Some(prefix(&event)?),
            _ => {}
        }
    }
    Ok(found)
}

fn route(event: &Object) -> Result<Route, TemplateError> {
    let settings = event.optional_object("Properties")?;
    let (method, path) = match &settings {
        Some(settings) => (settings.optional_text("Method")?, settings.optional_text("Path")?),
        None => (None, None),
    };
    Ok(match (method, path) {
        (None, None) => Route { method: "ANY".to_owned(), path: "$default".to_owned() },
        (method, Some(path)) if path.starts_with('/') || path == "$default" => Route {
            method: match method.map(|method| method.to_ascii_uppercase()).as_deref() {
                None | Some("ANY" | "*" | "X-AMAZON-APIGATEWAY-ANY-METHOD") => "ANY".to_owned(),
                Some(method) => method.to_owned(),
            },
            path,
        },
        _ => return Err(event.error("its Path does not begin with /")),
    })
}
