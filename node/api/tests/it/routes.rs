//! The interface's routes, as its source has them: what is to hold for every route is tested for one that is new, too.

/// Where they are.
const SOURCE: &str = include_str!("../../src/routes.rs");

/// Every method and path, such as `GET` and `/api/v1/agents/{name}`.
pub fn all() -> Vec<(String, String)> {
    let lines = SOURCE.lines().filter_map(|line| line.trim().strip_prefix(".route(\"")?.split_once("\", "));
    let of = |(path, handlers): (&str, &str)| {
        let methods = ["get", "post", "put", "delete"].into_iter();
        let taken = methods.filter(|method| handlers.contains(&format!("{method}("))).map(str::to_uppercase);
        taken.map(|method| (method, path.to_owned())).collect::<Vec<_>>()
    };
    let routes: Vec<_> = lines.flat_map(of).collect();
    assert!(routes.len() > 30, "the source is written otherwise than it is read here: {routes:?}");
    routes
}
