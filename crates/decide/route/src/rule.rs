//! Routes of one host and path: told apart by method and headers only.

use std::cmp::Reverse;

use haechi_model::{HeaderMatch, Route};

use crate::{Headers, Query};

/// In the order in which they are asked.
#[derive(Clone, Debug)]
pub(crate) struct Rules(Box<[Rule]>);

#[derive(Clone, Debug)]
struct Rule {
    route: usize,
    methods: Box<[Box<str>]>,
    headers: Box<[HeaderMatch]>,
}

/// How far the best rule came.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Fit {
    /// No rule takes the method.
    Method(usize),
    /// One takes the method but not the headers.
    Headers(usize),
}

impl Rules {
    pub(crate) fn new<'a>(routes: impl Iterator<Item = (usize, &'a Route)>) -> Self {
        let mut rules: Vec<Rule> = routes
            .map(|(route, given)| Rule {
                route,
                methods: given.methods.clone().into(),
                headers: given.headers.clone().into(),
            })
            .collect();
        rules.sort_by_key(|rule| (rule.methods.is_empty(), Reverse(rule.headers.len()), rule.route));
        Self(rules.into())
    }

    pub(crate) fn find<H: Headers + ?Sized>(&self, query: &Query<'_, H>) -> Option<usize> {
        let fits = |rule: &&Rule| rule.takes_method(query.method) && rule.takes_headers(query.headers);
        self.0.iter().find(fits).map(|rule| rule.route)
    }

    /// For a query that no rule takes: the rule that came closest, the first of equals.
    pub(crate) fn closest<H: Headers + ?Sized>(&self, query: &Query<'_, H>) -> Option<Fit> {
        let by_method = self.0.iter().find(|rule| rule.takes_method(query.method));
        by_method
            .map(|rule| Fit::Headers(rule.route))
            .or_else(|| self.0.first().map(|rule| Fit::Method(rule.route)))
    }

    /// The first route, if it takes whatever comes.
    pub(crate) fn catch_all(&self) -> Option<usize> {
        let first = self.0.first()?;
        (first.methods.is_empty() && first.headers.is_empty()).then_some(first.route)
    }
}

impl Rule {
    fn takes_method(&self, method: &[u8]) -> bool {
        self.methods.is_empty() || self.methods.iter().any(|known| known.as_bytes() == method)
    }

    /// All headers must be there. One line with the value is enough, wherever it stands among lines of the same
    /// name; a list within a line is not taken apart, as commas may belong to a value.
    fn takes_headers<H: Headers + ?Sized>(&self, headers: &H) -> bool {
        self.headers.iter().all(|wanted| {
            let mut values = headers.values(&wanted.name);
            match &wanted.value {
                Some(value) => values.any(|found| found == value.as_bytes()),
                None => values.next().is_some(),
            }
        })
    }
}
