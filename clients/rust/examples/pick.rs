//! Picks a target ten times a second, and says each second how often each one was picked:
//!
//! `cargo run -p foreshift-client --example pick -- http://127.0.0.1:7400 checkout east=50 west=50`

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use foreshift_client::{Client, Config};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(server), Some(route)) = (args.next(), args.next()) else {
        return Err("usage: pick SERVER ROUTE TARGET=SHARE...".into());
    };
    let mut baseline = Vec::new();
    for target in args {
        let (name, share) = target.split_once('=').ok_or("a target is NAME=SHARE")?;
        baseline.push((name.to_owned(), share.parse()?));
    }
    let mut config = Config::new(server).route(route.as_str(), baseline);
    config.gateway = "pick-example".to_owned();
    let client = Client::start(config)?;
    let picker = client.picker(&route).ok_or("the route was configured")?;
    loop {
        let mut picked: BTreeMap<&str, u32> = BTreeMap::new();
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            *picked.entry(picker.pick()).or_default() += 1;
        }
        let by = if picker.is_steered() {
            "Foreshift's weights"
        } else {
            "your own shares"
        };
        println!("{picked:?} by {by}");
        if let Some(problem) = client.problem() {
            println!("Foreshift is not heard: {problem}");
        }
    }
}
