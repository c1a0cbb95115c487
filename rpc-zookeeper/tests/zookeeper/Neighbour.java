import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.HashMap;
import java.util.Map;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.retry.RetryOneTime;
import org.apache.curator.x.discovery.ServiceCache;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceInstance;
import org.apache.curator.x.discovery.ServiceType;
import org.apache.curator.x.discovery.details.JsonInstanceSerializer;

/**
 * A program that uses Curator's x-discovery as Spring Cloud does: {@code Neighbour HOST:PORT BASE SERVICE}.
 *
 * Takes a command a line, answers each with a line, and ends with its input:
 *
 * <pre>
 * find ID                    waits until the cache has it, and prints what Curator understands of it
 * gone ID                    waits until the cache has it no more
 * plain ID PORT TIME         registers an instance without a payload
 * spring ID PORT GRPC_PORT   registers one with Spring's payload
 * leave                      withdraws both
 * </pre>
 */
public class Neighbour {
    /** As org.springframework.cloud.zookeeper.discovery.ZookeeperInstance. */
    public static class Payload {
        public String id = "application-1";
        public String name = "application";
        public Map<String, String> metadata = new HashMap<>();
    }

    public static void main(String[] arguments) throws Exception {
        String service = arguments[2];
        CuratorFramework client = CuratorFrameworkFactory.newClient(arguments[0], new RetryOneTime(100));
        client.start();
        ServiceDiscovery<Payload> discovery = ServiceDiscoveryBuilder.builder(Payload.class)
                .client(client)
                .basePath(arguments[1])
                .serializer(new JsonInstanceSerializer<>(Payload.class))
                .build();
        discovery.start();
        ServiceCache<Payload> cache = discovery.serviceCacheBuilder().name(service).build();
        cache.start();
        System.out.println("started");
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = commands.readLine()) != null; ) {
            String[] words = line.split(" ");
            switch (words[0]) {
                case "find":
                    ServiceInstance<Payload> found;
                    while ((found = cached(cache, words[1])) == null) {
                        Thread.sleep(10);
                    }
                    ServiceInstance<Payload> asked = discovery.queryForInstance(service, words[1]);
                    System.out.println("found " + fields(found) + " " + fields(asked).equals(fields(found)));
                    break;
                case "gone":
                    while (cached(cache, words[1]) != null) {
                        Thread.sleep(10);
                    }
                    System.out.println("gone " + (discovery.queryForInstance(service, words[1]) == null));
                    break;
                case "plain":
                    discovery.registerService(new ServiceInstance<>(service, words[1], "127.0.0.1",
                            Integer.parseInt(words[2]), null, null, Long.parseLong(words[3]), ServiceType.DYNAMIC, null));
                    System.out.println("registered");
                    break;
                case "spring":
                    Payload payload = new Payload();
                    payload.metadata.put("instance_status", "UP");
                    payload.metadata.put("gRPC_port", words[3]);
                    discovery.registerService(ServiceInstance.<Payload>builder().name(service).id(words[1])
                            .address("127.0.0.1").port(Integer.parseInt(words[2])).payload(payload).build());
                    System.out.println("registered");
                    break;
                case "leave":
                    discovery.close();
                    System.out.println("left");
                    break;
                default:
                    throw new IllegalArgumentException(line);
            }
        }
        client.close();
    }

    static ServiceInstance<Payload> cached(ServiceCache<Payload> cache, String id) {
        return cache.getInstances().stream().filter(one -> one.getId().equals(id)).findFirst().orElse(null);
    }

    static String fields(ServiceInstance<Payload> one) {
        return String.join(" ", "name=" + one.getName(), "id=" + one.getId(), "address=" + one.getAddress(),
                "port=" + one.getPort(), "sslPort=" + one.getSslPort(), "payload=" + one.getPayload(),
                "registrationTimeUTC=" + one.getRegistrationTimeUTC(), "serviceType=" + one.getServiceType(),
                "uriSpec=" + one.getUriSpec(), "enabled=" + one.isEnabled());
    }
}
