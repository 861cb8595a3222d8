//! Cross-origin requests, as an HTTP API with `CorsConfiguration` answers them.
//!
//! The gateway answers preflights itself and replaces whatever CORS headers a function sends.
//! Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html>.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderName, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue};

use crate::template::Cors;

/// The configuration, with its header values made once.
pub(crate) struct CorsRules {
    origins: Vec<String>,
    methods: Vec<String>,
    /// Added to every answer to an allowed origin.
    always: Vec<(HeaderName, HeaderValue)>,
    /// Added to answers to preflights.
    preflight: Vec<(HeaderName, HeaderValue)>,
}

/// An origin that may read the answer, and whether to its preflight.
pub(crate) struct AllowedOrigin {
    value: HeaderValue,
    is_preflight: bool,
}

/// Whether an `OPTIONS` request is a browser's question about another request.
pub(crate) fn is_preflight(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

impl CorsRules {
    pub(crate) fn new(cors: &Cors) -> Self {
        let list = |name: HeaderName, values: &[String]| {
            let value = HeaderValue::from_str(&values.join(",")).ok()?;
            (!values.is_empty()).then_some((name, value))
        };
        let mut always = Vec::new();
        if cors.allow_credentials {
            always.push((ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")));
        }
        always.extend(list(ACCESS_CONTROL_EXPOSE_HEADERS, &cors.expose_headers));
        let mut preflight = Vec::new();
        preflight.extend(list(ACCESS_CONTROL_ALLOW_METHODS, &cors.allow_methods));
        preflight.extend(list(ACCESS_CONTROL_ALLOW_HEADERS, &cors.allow_headers));
        preflight.extend(cors.max_age.map(|age| (ACCESS_CONTROL_MAX_AGE, HeaderValue::from(age.as_secs()))));
        Self { origins: cors.allow_origins.clone(), methods: cors.allow_methods.clone(), always, preflight }
    }

    /// Whether the method that a preflight asks about is allowed.
    pub(crate) fn allows_method(&self, headers: &HeaderMap) -> bool {
        let asked = headers.get(ACCESS_CONTROL_REQUEST_METHOD);
        asked.is_some_and(|asked| self.methods.iter().any(|method| method == "*" || asked == method.as_str()))
    }

    /// The request's origin, if it may read the answer.
    pub(crate) fn allowed_origin(&self, headers: &HeaderMap) -> Option<AllowedOrigin> {
        let origin = headers.get(ORIGIN)?;
        let text = origin.to_str().ok()?;
        let allowed = self.origins.iter().any(|allowed| match allowed.as_str() {
            "*" => true,
            // The two wildcards an HTTP API takes besides.
            "https://*" => text.starts_with("https://"),
            "http://*" => text.starts_with("http://"),
            exact => exact == text,
        });
        allowed.then(|| AllowedOrigin {
            value: origin.clone(),
            is_preflight: headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD),
        })
    }

    /// Replaces the CORS headers of an answer.
    pub(crate) fn decorate(&self, origin: Option<&AllowedOrigin>, headers: &mut HeaderMap) {
        for name in [
            ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_ALLOW_CREDENTIALS,
            ACCESS_CONTROL_ALLOW_METHODS,
            ACCESS_CONTROL_ALLOW_HEADERS,
            ACCESS_CONTROL_EXPOSE_HEADERS,
            ACCESS_CONTROL_MAX_AGE,
        ] {
            headers.remove(name);
        }
        // The answer differs by origin, also for those that get nothing.
        headers.append(VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = origin else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.value.clone());
        for (name, value) in &self.always {
            headers.insert(name, value.clone());
        }
        if origin.is_preflight {
            for (name, value) in &self.preflight {
                headers.insert(name, value.clone());
            }
        }
    }
}
