package stacktest_test

import (
	"context"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/waybill-io/waybill/internal/devstack/stacktest"
)

// The shared server is still up when the leak check runs: it must not need an
// exception, because every package that uses it would.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPostgres_eachTestHasAnEmptyDatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	first, second := stacktest.Postgres(t), stacktest.Postgres(t)
	if first == second {
		t.Fatalf("two databases have one URL: %s", first)
	}
	query(t, first, "CREATE TABLE things (id int)")
	const count = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
	if got, want := query(t, second, count), "0"; got != want {
		t.Errorf("tables in the second database = %s, want %s", got, want)
	}
	if got, want := query(t, first, count), "1"; got != want {
		t.Errorf("tables in the first database = %s, want %s", got, want)
	}
}

func TestPostgres_databaseIsDroppedWithItsTest(t *testing.T) {
	t.Parallel()
	server := stacktest.Postgres(t)
	var name string
	t.Run("inner", func(t *testing.T) {
		u, err := url.Parse(stacktest.Postgres(t))
		if err != nil {
			t.Fatal(err)
		}
		name = strings.TrimPrefix(u.Path, "/")
		conn, err := pgconn.Connect(t.Context(), u.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) }) // runs after the drop only if the drop is not forced
	})
	if got, want := query(t, server, "SELECT count(*) FROM pg_database WHERE datname = '"+name+"'"), "0"; got != want {
		t.Errorf("databases named %s = %s, want %s", name, got, want)
	}
}

func TestPostgres_comparesTextByCodePointAndKnowsItsLetters(t *testing.T) {
	t.Parallel()
	db := stacktest.Postgres(t)
	if got, want := query(t, db, "SELECT string_agg(s, ' ' ORDER BY s) FROM unnest('{b,Z,a,é}'::text[]) s"), "Z a b é"; got != want {
		t.Errorf("sorted = %q, want %q", got, want)
	}
	if got, want := query(t, db, "SHOW server_encoding"), "UTF8"; got != want {
		t.Errorf("encoding = %q, want %q", got, want)
	}
}

func TestBroker_hasThePlatformsTopics(t *testing.T) {
	t.Parallel()
	if os.Getenv("TEST_KAFKA_BROKERS") != "" {
		t.Skip("the brokers of TEST_KAFKA_BROKERS have what topics they have")
	}
	brokers := stacktest.Broker(t)
	want := map[string]int{"waybill.orders.v1": 12, "waybill.orders.v1.dlq": 12, "waybill.shipments.v1": 12, "waybill.shipments.v1.dlq": 12}
	if diff := cmp.Diff(want, topics(t, brokers)); diff != "" {
		t.Errorf("topics (-want +got):\n%s", diff)
	}
}

func TestTopic_isThereForTheTestAlone(t *testing.T) {
	t.Parallel()
	brokers := stacktest.Broker(t)
	var name string
	t.Run("inner", func(t *testing.T) {
		name = stacktest.Topic(t, brokers, 3)
		if got, want := topics(t, brokers)[name], 3; got != want {
			t.Errorf("partitions of %s = %d, want %d", name, got, want)
		}
	})
	if _, ok := topics(t, brokers)[name]; ok {
		t.Errorf("topic %s has outlived its test", name)
	}
}

// query returns the first value of the first row.
func query(t *testing.T, db, sql string) string {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	results, err := conn.Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if len(results[0].Rows) == 0 {
		return ""
	}
	return string(results[0].Rows[0][0])
}

// topics returns the partition count of every topic there is.
func topics(t *testing.T, brokers []string) map[string]int {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	resp, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	counts := make(map[string]int)
	for _, topic := range resp.Topics {
		counts[*topic.Topic] = len(topic.Partitions)
	}
	return counts
}

func BenchmarkPostgres(b *testing.B) {
	for b.Loop() {
		stacktest.Postgres(b)
	}
}
