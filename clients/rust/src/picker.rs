//! The client and its pickers.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::config::{Clock, Config, ConfigError};
use crate::route::Route;
use crate::watch::{Problem, Watch};

/// Watches weights in the background, until it and all its pickers are dropped.
#[derive(Clone)]
pub struct Client {
    routes: Arc<BTreeMap<String, Arc<Route>>>,
    clock: Clock,
    problem: Problem,
    task: Arc<Task>,
}

/// Gives the targets of one route. Cheap to clone.
#[derive(Clone)]
pub struct Picker {
    route: Arc<Route>,
    clock: Clock,
    _task: Arc<Task>,
}

struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Client {
    /// Begins to watch, in a task of the current tokio runtime. It does not wait for the server: until that is heard of,
    /// pickers use the shares that were configured.
    ///
    /// # Errors
    /// When the configuration cannot be used, or there is no runtime.
    pub fn start(mut config: Config) -> Result<Self, ConfigError> {
        let runtime = Handle::try_current().map_err(|_| ConfigError::NoRuntime)?;
        let mut routes = BTreeMap::new();
        for (name, baseline) in std::mem::take(&mut config.routes) {
            let route = Arc::new(Route::new(&name, baseline)?);
            if routes.insert(name.clone(), route).is_some() {
                return Err(ConfigError::RouteTwice { route: name });
            }
        }
        if routes.is_empty() {
            return Err(ConfigError::NoRoute);
        }
        let routes = Arc::new(routes);
        let problem = Problem::default();
        let clock = Arc::clone(&config.clock);
        let watch = Watch::new(config, Arc::clone(&routes), problem.clone())?;
        let task = runtime.spawn(watch.run()).abort_handle();
        Ok(Self {
            routes,
            clock,
            problem,
            task: Arc::new(Task(task)),
        })
    }

    /// The picker of a route; `None` for a route that was not configured.
    pub fn picker(&self, route: &str) -> Option<Picker> {
        Some(Picker {
            route: Arc::clone(self.routes.get(route)?),
            clock: Arc::clone(&self.clock),
            _task: Arc::clone(&self.task),
        })
    }

    /// Why Foreshift cannot be heard at the moment; `None` while it can, and before the first attempt.
    pub fn problem(&self) -> Option<String> {
        self.problem.get()
    }
}

impl Picker {
    /// The target of the next request, by the shares in force.
    pub fn pick(&self) -> &str {
        self.route.pick((self.clock)(), |sum| fastrand::u32(..sum))
    }

    /// The targets with their shares in force: Foreshift's in basis points, or as configured.
    pub fn shares(&self) -> Vec<(&str, u32)> {
        self.route.shares((self.clock)()).0
    }

    /// Whether Foreshift's weights are in force.
    pub fn is_steered(&self) -> bool {
        self.route.shares((self.clock)()).1
    }
}
