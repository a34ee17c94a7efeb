// Command servertest is a Temporal server for the tests of adapters/temporal: one
// process, with its state in a file, so that it can be killed and begun again. It is a
// module of its own, outside of go.work, since the server does not compile with the
// version of Temporal's SDK that the adapter has; over the wire they talk.
//
//	servertest -file temporal.db -port 7233 -namespace default
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	serverlog "go.temporal.io/server/common/log"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/schema/sqlite"
	"go.temporal.io/server/temporal"
)

const loopback = "127.0.0.1"

func main() {
	file := flag.String("file", "", "where the state is kept")
	port := flag.Int("port", 7233, "of the frontend, on loopback")
	namespace := flag.String("namespace", "default", "that clients use")
	flag.Parse()
	if err := serve(*file, *port, *namespace); err != nil {
		log.Fatal(err)
	}
}

func serve(file string, port int, namespace string) error {
	sql := &config.SQL{PluginName: sqliteplugin.PluginName, DatabaseName: file, ConnectAttributes: map[string]string{"mode": "rwc"}}
	if _, err := os.Stat(file); os.IsNotExist(err) {
		if err := sqlite.SetupSchema(sql); err != nil {
			return fmt.Errorf("making the tables: %w", err)
		}
	}
	ns, err := sqlite.NewNamespaceConfig("active", namespace, false, nil)
	if err == nil {
		err = sqlite.CreateNamespaces(sql, ns)
	}
	if err != nil {
		return fmt.Errorf("making the namespace: %w", err)
	}
	cfg, err := configured(sql, port)
	if err != nil {
		return err
	}
	authorizer, err := authorization.GetAuthorizerFromConfig(&cfg.Global.Authorization)
	if err != nil {
		return err
	}
	quiet := serverlog.NewNoopLogger()
	s, err := temporal.NewServer(temporal.WithConfig(cfg), temporal.ForServices(temporal.DefaultServices), temporal.WithLogger(quiet),
		temporal.WithAuthorizer(authorizer), temporal.WithDynamicConfigClient(dynamicconfig.StaticClient{
			dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key(): []dynamicconfig.ConstrainedValue{{Value: true}},
		}))
	if err == nil {
		err = s.Start()
	}
	if err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	<-stop
	return s.Stop()
}

// configured describes a server in one process.
func configured(sql *config.SQL, port int) (*config.Config, error) {
	cfg := &config.Config{}
	cfg.Global.Membership = config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: loopback}
	cfg.Persistence = config.Persistence{
		DefaultStore: "file", VisibilityStore: "file", NumHistoryShards: 1,
		DataStores: map[string]config.DataStore{"file": {SQL: sql}},
	}
	cfg.ClusterMetadata = &cluster.Config{
		FailoverVersionIncrement: 10, MasterClusterName: "active", CurrentClusterName: "active",
		ClusterInformation: map[string]cluster.ClusterInformation{
			"active": {Enabled: true, InitialFailoverVersion: 1, RPCAddress: fmt.Sprintf("%s:%d", loopback, port)},
		},
	}
	cfg.DCRedirectionPolicy.Policy = "noop"
	cfg.PublicClient.HostPort = fmt.Sprintf("%s:%d", loopback, port)
	cfg.Archival.History.State, cfg.Archival.Visibility.State = "disabled", "disabled"
	cfg.NamespaceDefaults.Archival.History.State, cfg.NamespaceDefaults.Archival.Visibility.State = "disabled", "disabled"
	cfg.Services = map[string]config.Service{}
	for _, name := range []string{"frontend", "history", "matching", "worker"} {
		own, err := free()
		if err != nil {
			return nil, err
		}
		members, err := free()
		if err != nil {
			return nil, err
		}
		if name == "frontend" {
			own = port
		}
		cfg.Services[name] = config.Service{RPC: config.RPC{GRPCPort: own, MembershipPort: members, BindOnIP: loopback}}
	}
	return cfg, nil
}

// free returns a port that nobody listens on.
func free() (int, error) {
	l, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}
