//! Pictures that come later, and the deliveries that wait for them.

use super::*;

const FETCHED: &[u8] = b"GIF89a fetched";

fn awaiting(bench: &Bench, targets: &[&str]) -> (EventId, Intake) {
    let (id, mut intake) = bench.intake("gate", "ONE", Bytes::from_static(b"{}"), targets);
    let event = Arc::make_mut(&mut intake.events[0].0);
    event.awaits_pictures = true;
    event.images.push(Picture {
        role: Role::FRAME,
        item: None,
        content_type: "image/jpeg".to_owned(),
        data: PictureData::Url("http://ff.example/1.jpg".to_owned()),
    });
    (id, intake)
}

async fn accept(bench: &Bench, store: &Store, targets: &[&str]) -> EventId {
    let (id, intake) = awaiting(bench, targets);
    let _ = store.accept(intake).await.unwrap();
    store.caught_up().await;
    id
}

fn fetch() -> Fetch {
    Fetch {
        pictures: vec![FetchedPicture {
            number: 1,
            content_type: "image/gif".to_owned(),
            bytes: Bytes::from_static(FETCHED),
        }],
        notes: vec!["a note".to_owned()],
    }
}

async fn take(store: &Store) -> Vec<Unfetched> {
    store.unfetched(8).await.unwrap()
}

#[tokio::test]
async fn deliveries_wait_until_the_pictures_are_there_or_given_up() {
    let bench = Bench::new();
    let store = bench.open();
    let mut ids = Vec::new();
    for end in [fetch(), Fetch::default()] {
        let id = accept(&bench, &store, &["vms"]).await;
        assert!(lease(&store, "vms", Order::None).await.is_empty());
        assert!(lease(&store, "vms", Order::Camera).await.is_empty());
        assert!(
            store.event(id).await.unwrap().event.images[1]
                .bytes()
                .is_none()
        );
        let mut taken = take(&store).await;
        assert_eq!(taken.len(), 1);
        assert!(take(&store).await.is_empty(), "it is taken once");
        let one = taken.remove(0);
        assert_eq!((one.event, one.source.as_str()), (id, "stream"));
        let has_picture = !end.pictures.is_empty();
        store.fetched(&one, end).await.unwrap();
        drop(one);
        assert!(take(&store).await.is_empty());
        let event = store.event(id).await.unwrap().event;
        assert_eq!(event.images[1].bytes().is_some(), has_picture);
        if has_picture {
            assert_eq!(event.images[1].bytes().unwrap(), FETCHED);
            assert_eq!(event.images[1].content_type, "image/gif");
            assert_eq!(event.repaired, ["a note"]);
        }
        for lease in lease(&store, "vms", Order::Camera).await {
            assert_eq!(lease.event, id);
            settle(&store, lease, Settled::Delivered).await;
        }
        ids.push(id);
    }
    let fates = store.deliveries(DeliveryQuery::default()).await.unwrap();
    assert!(
        fates
            .iter()
            .all(|delivery| delivery.fate == Fate::Delivered)
    );
}

#[tokio::test]
async fn what_is_let_go_unfinished_is_handed_out_again() {
    let bench = Bench::new();
    let store = bench.open();
    let id = accept(&bench, &store, &["vms"]).await;
    drop(take(&store).await);
    assert_eq!(take(&store).await[0].event, id);
}

#[tokio::test]
async fn a_crash_leaves_it_awaited_or_whole_and_a_rebuilt_index_says_the_same() {
    let bench = Bench::new();
    let store = bench.open();
    let first = accept(&bench, &store, &["vms"]).await;
    let one = take(&store).await.remove(0);
    store.fetched(&one, fetch()).await.unwrap();
    let second = accept(&bench, &store, &["vms"]).await;
    let before = told(&store).await;
    for with_index in [true, false] {
        let copy = bench.crashed(with_index);
        let again = bench.try_open_at(copy.path()).unwrap();
        assert_eq!(told(&again).await, before);
        let waiting = take(&again).await;
        assert_eq!(waiting.len(), 1);
        assert_eq!(waiting[0].event, second);
        let ready = lease(&again, "vms", Order::None).await;
        assert_eq!(ready.len(), 1);
        assert_eq!(ready[0].event, first);
        let event = again.event(first).await.unwrap().event;
        assert_eq!(event.images[1].bytes().unwrap(), FETCHED);
    }
}

#[tokio::test]
async fn what_is_planned_anew_waits_as_well_and_a_retry_does_not_hurry_it() {
    let bench = Bench::new();
    let store = bench.open();
    let id = accept(&bench, &store, &[]).await;
    let plan = Plan {
        routes: Vec::new(),
        deliveries: vec![planned("vms")],
        joined: vec![],
    };
    store.plan_again(id, plan).await.unwrap();
    store.caught_up().await;
    store.retry(RetryQuery::All).await.unwrap();
    assert!(lease(&store, "vms", Order::None).await.is_empty());
    let pending = DeliveryQuery {
        fate: Some(Fate::Pending),
        ..DeliveryQuery::default()
    };
    assert_eq!(store.deliveries(pending).await.unwrap().len(), 1);
    let one = take(&store).await.remove(0);
    store.fetched(&one, fetch()).await.unwrap();
    assert_eq!(lease(&store, "vms", Order::None).await.len(), 1);
}

#[tokio::test]
async fn fetched_pictures_stay_as_long_as_their_event_and_go_with_it() {
    let bench = Bench::new();
    let store = bench.open();
    let id = accept(&bench, &store, &["vms"]).await;
    let one = take(&store).await.remove(0);
    store.0.writer.send(Command::Roll).unwrap();
    store.fetched(&one, fetch()).await.unwrap();
    drop(one);
    store.0.writer.send(Command::Roll).unwrap();
    bench.accept(&store, "gate", "LATER", &[]).await;
    bench.wait(8 * 86_400);
    store.retain().await.unwrap();
    let event = store.event(id).await.unwrap().event;
    assert_eq!(event.images[1].bytes().unwrap(), FETCHED);
    for lease in lease(&store, "vms", Order::None).await {
        settle(&store, lease, Settled::Delivered).await;
    }
    bench.wait(8 * 86_400);
    store.retain().await.unwrap();
    store.retain().await.unwrap();
    assert!(store.event(id).await.is_err());
    let db = schema::open_reader(&store.0.index_path).unwrap();
    let left: i64 = db
        .query_row("SELECT count(*) FROM pictures", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0);
}
