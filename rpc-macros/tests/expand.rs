//! The expansions that people review, compiled as they stand.
#![expect(unreachable_pub, reason = "the inputs are interfaces")]

mod orders {
    include!("expand/orders.out.rs");

    struct Nothing;

    impl Orders for Nothing {
        async fn find(&self, number: String) -> Result<Option<String>, Status> {
            Ok((!number.is_empty()).then_some(number))
        }

        async fn follow(&self, number: String) -> Result<Streaming<String>, Status> {
            Ok(Streaming::from_iter([number]))
        }
    }

    #[tokio::test]
    async fn the_reviewed_expansion_works() {
        let orders = OrdersClient::local(Nothing);
        assert_eq!(orders.find("7".to_owned()).await.unwrap().as_deref(), Some("7"));
        let mut steps = orders.follow("7".to_owned()).await.unwrap();
        assert_eq!(steps.next().await.unwrap().unwrap(), "7");
    }
}

mod options {
    include!("expand/options.out.rs");

    #[test]
    fn the_reviewed_expansion_compiles() {
        assert_eq!(CounterClient::ADD.path, "/Counters/Sum");
    }
}
