//! Laws of the queue, and the cases behind them.

use proptest::prelude::*;

use super::*;

fn waiting(id: usize, user: &str, since: i64) -> Waiting {
    Waiting {
        id: format!("uid-{id}"),
        name: format!("task-{id:05}"),
        user: user.into(),
        since,
    }
}

const LIMITS: Limits = Limits {
    global: 4,
    per_user: 2,
};

#[test]
fn users_take_turns() {
    let tasks = [
        waiting(1, "ada", 10),
        waiting(2, "ada", 11),
        waiting(3, "ada", 12),
        waiting(4, "bob", 20),
    ];
    let plan = plan(&tasks, &HashMap::new(), LIMITS, 100);
    assert_eq!(plan.admitted, ["uid-1", "uid-4", "uid-2"]);
    assert_eq!(plan.queued.len(), 1);
    assert_eq!(plan.queued[0].position, 1);
    assert_eq!(plan.queued[0].blocked, Blocked::User);
}

#[test]
fn the_reason_says_which_limit_holds() {
    let users = HashMap::from([(
        "eve".to_owned(),
        UserState {
            running: 4,
            last_turn: Some(1),
        },
    )]);
    let plan = plan(&[waiting(1, "ada", 10)], &users, LIMITS, 100);
    assert!(plan.admitted.is_empty());
    assert_eq!(plan.queued[0].blocked, Blocked::Global);
}

#[test]
fn a_limit_of_zero_stops_everything() {
    let limits = Limits {
        global: 0,
        per_user: 0,
    };
    let plan = plan(&[waiting(1, "ada", 10)], &HashMap::new(), limits, 100);
    assert!(plan.admitted.is_empty());
    assert_eq!(plan.queued.len(), 1);
}

/// A stream of users who each come once must not keep an old user's second task out for ever.
#[test]
fn newcomers_cannot_starve_anybody() {
    let limits = Limits {
        global: 2,
        per_user: 2,
    };
    // Ada's first task runs for ever; her second waits since 10.
    let ada = UserState {
        running: 1,
        last_turn: Some(5),
    };
    let mut users = HashMap::from([("ada".to_owned(), ada)]);
    let mut tasks = vec![waiting(0, "ada", 10)];
    for round in 1..50 {
        let now = 10 + i64::try_from(round).unwrap() * 10;
        tasks.push(waiting(round, &format!("guest-{round}"), now));
        let plan = plan(&tasks, &users, limits, now + 1);
        if plan.admitted.contains(&"uid-0".to_owned()) {
            return;
        }
        // Whoever had the turn is done before the next round.
        tasks.retain(|task| !plan.admitted.contains(&task.id));
        users.retain(|user, _| user == "ada");
    }
    panic!("the task of ada never had its turn");
}

prop_compose! {
    fn queue()(
        tasks in prop::collection::vec((0_usize..5, 0_i64..50), 0..60),
        running in prop::collection::vec((0_usize..3, prop::option::of(0_i64..50)), 5),
        global in 0_usize..12,
        per_user in 0_usize..5,
    ) -> (Vec<Waiting>, HashMap<String, UserState>, Limits) {
        let tasks = tasks
            .into_iter()
            .enumerate()
            .map(|(id, (user, since))| waiting(id, &format!("user-{user}"), since))
            .collect();
        let users = running
            .into_iter()
            .enumerate()
            .map(|(user, (running, last_turn))| (format!("user-{user}"), UserState { running, last_turn }))
            .collect();
        (tasks, users, Limits { global, per_user })
    }
}

proptest! {
    #[test]
    fn every_task_is_in_the_plan_once((tasks, users, limits) in queue()) {
        let plan = plan(&tasks, &users, limits, 100);
        let mut ids: Vec<&String> = plan.admitted.iter().chain(plan.queued.iter().map(|place| &place.id)).collect();
        ids.sort();
        let mut wanted: Vec<&String> = tasks.iter().map(|task| &task.id).collect();
        wanted.sort();
        prop_assert_eq!(ids, wanted);
        let positions: Vec<usize> = plan.queued.iter().map(|place| place.position).collect();
        prop_assert_eq!(positions, (1..=plan.queued.len()).collect::<Vec<_>>());
    }

    #[test]
    fn limits_hold_and_no_room_is_wasted((tasks, users, limits) in queue()) {
        let plan = plan(&tasks, &users, limits, 100);
        let user_of = |id: &str| tasks.iter().find(|task| task.id == id).unwrap().user.clone();
        let mut running: HashMap<String, usize> =
            users.iter().map(|(user, state)| (user.clone(), state.running)).collect();
        let before: usize = running.values().sum();
        for id in &plan.admitted {
            *running.entry(user_of(id)).or_default() += 1;
        }
        let after: usize = running.values().sum();
        prop_assert!(after <= limits.global.max(before));
        for id in &plan.admitted {
            prop_assert!(running[&user_of(id)] <= limits.per_user);
        }
        if after < limits.global {
            for place in &plan.queued {
                let user = user_of(&place.id);
                prop_assert!(running.get(&user).copied().unwrap_or(0) >= limits.per_user);
                prop_assert_eq!(place.blocked, Blocked::User);
            }
        }
    }

    #[test]
    fn within_a_user_the_first_is_first((tasks, users, limits) in queue()) {
        let plan = plan(&tasks, &users, limits, 100);
        let order: Vec<&Waiting> = plan
            .admitted
            .iter()
            .chain(plan.queued.iter().map(|place| &place.id))
            .map(|id| tasks.iter().find(|task| &task.id == id).unwrap())
            .collect();
        for (at, task) in order.iter().enumerate() {
            for later in &order[at + 1..] {
                if later.user == task.user {
                    prop_assert!((task.since, &task.name) < (later.since, &later.name));
                }
            }
        }
    }

    #[test]
    fn the_order_of_the_input_does_not_matter((tasks, users, limits) in queue()) {
        let forward = plan(&tasks, &users, limits, 100);
        let mut reversed = tasks;
        reversed.reverse();
        prop_assert_eq!(plan(&reversed, &users, limits, 100), forward);
    }

    /// Tasks end one after the other; everybody has a turn in the end, in the order that the places promise.
    #[test]
    fn everybody_has_a_turn((tasks, _, _) in queue()) {
        let limits = Limits { global: 1, per_user: 1 };
        let mut users: HashMap<String, UserState> = HashMap::new();
        let mut left = tasks.clone();
        let promised: Vec<String> = {
            let plan = plan(&tasks, &users, limits, 1000);
            plan.admitted.iter().cloned().chain(plan.queued.into_iter().map(|place| place.id)).collect()
        };
        let mut order = Vec::new();
        let mut now = 1000;
        while !left.is_empty() {
            now += 10;
            let plan = plan(&left, &users, limits, now);
            prop_assert_eq!(plan.admitted.len(), 1);
            let id = plan.admitted[0].clone();
            let task = left.iter().find(|task| task.id == id).unwrap().clone();
            left.retain(|task| task.id != id);
            users.insert(task.user, UserState { running: 0, last_turn: Some(now) });
            order.push(id);
        }
        prop_assert_eq!(order, promised);
    }
}
