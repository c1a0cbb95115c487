use rpc::Message;

#[derive(Message)]
struct Chicken {
    egg: Egg,
}

#[derive(Message)]
struct Egg {
    chicken: Box<Chicken>,
}

fn main() {}
