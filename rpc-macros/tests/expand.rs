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

mod streams {
    include!("expand/streams.out.rs");

    #[derive(rpc::RpcError, thiserror::Error, Debug)]
    pub enum Late {
        #[error("too late")]
        #[rpc(code = DeadlineExceeded)]
        Late,
        #[error(transparent)]
        Rpc(#[from] Status),
    }

    struct Riders;

    impl Tracking for Riders {
        async fn import(&self, mut orders: Streaming<String>) -> Result<u32, Late> {
            let mut count = 0;
            while let Some(order) = orders.next().await {
                order?;
                count += 1;
            }
            Ok(count)
        }

        async fn follow(&self, number: String) -> Result<Steps, Late> {
            Ok(Streaming::from_iter([Ok(number), Err(Late::Late)]))
        }
    }

    #[tokio::test]
    async fn the_reviewed_expansion_streams() {
        let riders = TrackingClient::local(Riders);
        let names = || Streaming::from_iter(["a".to_owned(), "bc".to_owned()]);
        assert_eq!(riders.import(names()).await.unwrap(), 2);
        let mut steps = riders.follow("7".to_owned()).await.unwrap();
        assert_eq!(steps.next().await.unwrap().unwrap(), "7");
        assert!(matches!(steps.next().await, Some(Err(Late::Late))));
        let mut same = riders.track(names()).await.unwrap();
        assert_eq!(same.next().await.unwrap().unwrap(), "a");
        assert_eq!(TrackingClient::SERVICE.methods.len(), 3);
    }
}

mod elsewhere {
    /// Ours under another name.
    mod framework {
        pub(super) use rpc::__private;
    }

    include!("expand/elsewhere.out.rs");

    impl std::fmt::Display for GreetError {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            let Self::Rpc(status) = self;
            status.fmt(f)
        }
    }

    struct Host;

    impl Greeter for Host {
        async fn greet(&self, person: Person) -> Result<Person, GreetError> {
            Ok(person)
        }
    }

    #[tokio::test]
    async fn the_reviewed_expansion_works() {
        let person = Person { name: "Mina".to_owned() };
        assert_eq!(GreeterClient::local(Host).greet(person.clone()).await.unwrap(), person);
    }
}

mod messages {
    include!("expand/messages.out.rs");

    #[test]
    fn the_reviewed_expansion_reads_what_it_wrote() {
        let order = Order {
            number: OrderId("7".to_owned()),
            items: vec!["noodles".to_owned()],
            note: None,
            payment: Payment::Card { number: "1".to_owned(), brand: Brand::Visa },
        };
        let page = Page { items: vec![order.clone(), Order { payment: Payment::Cash(9), ..order }] };
        let bytes = prost::Message::encode_to_vec(&page);
        assert_eq!(<Page<Order> as rpc_core::message::Derived>::decode_whole(&*bytes).unwrap(), page);
    }
}

mod errors {
    include!("expand/errors.out.rs");

    impl std::fmt::Display for OrderError {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("no")
        }
    }

    #[test]
    fn the_reviewed_expansion_travels() {
        let status = OrderError::NotFound { number: "7".to_owned() }.into_status();
        assert!(matches!(OrderError::from_status(status), OrderError::NotFound { number } if number == "7"));
        assert!(matches!(OrderError::from_status(OrderError::Closed.into_status()), OrderError::Closed));
    }
}
