//! Every error says what to do: no [`Failure`] is made without a `fix`, unless it gets one on its way.

use crate::tidy::{is_test, sources};
use proc_macro2::LineColumn;
use std::collections::BTreeSet;
use syn::spanned::Spanned;
use syn::visit::Visit;

/// Failures whose fix is added by whoever has them, by their codes; `code` is a variable's name.
const LATER: &[&str] = &["DATABASE", "code", "USAGE"];

/// Collects where failures are made, and where one is given a fix.
#[derive(Default)]
struct Made {
    /// Where each begins, with its code.
    all: Vec<(Place, String)>,
    /// Where those begin that are given a fix in the same chain of calls.
    fixed: BTreeSet<Place>,
}

/// Line and column.
type Place = (usize, usize);

fn place(LineColumn { line, column }: LineColumn) -> Place {
    (line, column)
}

fn is_new(call: &syn::ExprCall) -> bool {
    let syn::Expr::Path(path) = &*call.func else { return false };
    let words: Vec<String> = path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    words.ends_with(&["Failure".to_owned(), "new".to_owned()])
}

/// The beginning of the chain of calls that `expression` is the end of.
fn root(expression: &syn::Expr) -> &syn::Expr {
    match expression {
        syn::Expr::MethodCall(call) => root(&call.receiver),
        other => other,
    }
}

impl<'ast> Visit<'ast> for Made {
    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if is_new(call) {
            let code = match call.args.iter().nth(1) {
                Some(syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. })) => text.value(),
                Some(syn::Expr::Path(path)) => {
                    path.path.segments.last().map_or_else(String::new, |last| last.ident.to_string())
                }
                _ => String::new(),
            };
            self.all.push((place(call.span().start()), code));
        }
        syn::visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.method == "fix" {
            self.fixed.insert(place(root(&call.receiver).span().start()));
        }
        syn::visit::visit_expr_method_call(self, call);
    }
}

#[test]
fn every_failure_says_what_to_do() {
    let mut wrong = Vec::new();
    for (path, text) in sources()
        .into_iter()
        .filter(|(path, _)| ["node/server/src", "node/cli/src"].iter().any(|of| path.starts_with(of)) && !is_test(path))
    {
        let whole = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(&text);
        let file = syn::parse_file(whole).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut made = Made::default();
        made.visit_file(&file);
        let bare = made.all.iter().filter(|(at, code)| !made.fixed.contains(at) && !LATER.contains(&code.as_str()));
        wrong.extend(bare.map(|((line, _), code)| format!("{path}:{line}: {code} has no fix")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
