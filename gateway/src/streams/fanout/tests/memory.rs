//! What a viewer costs.

use super::*;

/// The resident memory of this process, in bytes.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[tokio::test]
async fn an_idle_viewer_is_small() {
    const COUNT: usize = 10_000;
    let bench = Bench::new(Options::default());
    let before = resident();
    let mut bodies = Vec::with_capacity(COUNT);
    for _ in 0..COUNT {
        let mut body = EventBody::from(bench.join(0, View::Typed, Pace::Fast));
        while std::future::poll_fn(|context| {
            let frame = hyper::body::Body::poll_frame(std::pin::Pin::new(&mut body), context);
            std::task::Poll::Ready(frame.is_ready())
        })
        .await
        {}
        bodies.push(body);
    }
    let each = (resident().saturating_sub(before)) / COUNT;
    let size = size_of::<EventBody>();
    println!("an idle viewer: {size} bytes itself, {each} bytes of resident memory");
    assert!(size <= 320, "{size}");
}
