use proptest::prelude::*;

use super::world::*;
use crate::*;

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn the_same_history_gives_the_same_bytes_through_any_restart(
        route in any_route(), history in history(Allow { model_failure: false, ..Allow::ALL }), cut in 0_usize..40,
    ) {
        let straight = run(&route, &history);
        let mut state = RouteState::new(&route, START);
        let mut given = Given::new(&route);
        for (at, (moment, expected)) in history.iter().zip(&straight).enumerate() {
            if at == cut {
                let bytes = postcard::to_allocvec(&state).unwrap();
                state = postcard::from_bytes(&bytes).unwrap();
            }
            given.apply(moment);
            let plan = given.plan(&route, &mut state);
            prop_assert_eq!(postcard::to_allocvec(&plan).unwrap(), postcard::to_allocvec(&expected.plan).unwrap());
            prop_assert_eq!(&state, &expected.after);
        }
    }
}
