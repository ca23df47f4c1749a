package main

import (
	"testing"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
)

const secret = "hunter2"

func TestConsumerRefusesWrongUsageBeforeItDoesAnything(t *testing.T) {
	taken := clitest.Taken(t)
	with := func(args ...string) []string {
		return append([]string{"run", "--brokers=127.0.0.1:1", "--database-url=postgres://u:" + secret + "@127.0.0.1:1/w", "--ops-addr=" + taken}, args...)
	}
	gap := func(args ...string) []string {
		return append([]string{"accept-gap", "--brokers=h:1", "--database-url=postgres://h/w", "--topic=t"}, args...)
	}
	clitest.Refuses(t, run, []clitest.Wrong{
		{Name: "no command", Want: []string{"run", "migrate"}},
		{Name: "an unknown command", Args: []string{"walk"}, Want: []string{"walk"}},
		{Name: "an unknown flag", Args: with("--frobnicate"), Want: []string{"--frobnicate"}, Secret: secret},
		{Name: "an argument too many", Args: with("extra"), Want: []string{"extra"}, Secret: secret},
		{Name: "nothing of what is required", Args: []string{"run", "--ops-addr=" + taken}, Want: []string{"--brokers", "--database-url"}},
		{Name: "brokers without a port", Args: with("--brokers=kafka"), Want: []string{"--brokers", `"kafka"`}},
		{Name: "one broker of two without a port", Args: with("--brokers=kafka:9092,other"), Want: []string{"--brokers", `"other"`}},
		{Name: "no brokers", Args: with("--brokers="), Want: []string{"--brokers"}},
		{Name: "a variable's brokers without a port", Args: []string{"run", "--database-url=postgres://h/w", "--ops-addr=" + taken},
			Env: map[string]string{"WAYBILL_BROKERS": "kafka"}, Want: []string{"WAYBILL_BROKERS"}},
		{Name: "a database of another kind", Args: with("--database-url=mysql://u:" + secret + "@h/w"), Want: []string{"--database-url"}, Secret: secret},
		{Name: "a database whose port is no number", Args: with("--database-url=postgres://u:" + secret + "@h:port/w"), Want: []string{"--database-url"}, Secret: secret},
		{Name: "a database with a broken escape", Args: with("--database-url=postgres://u:" + secret + "%@h/w"), Want: []string{"--database-url"}, Secret: secret},
		{Name: "a variable's database of another kind", Args: []string{"run", "--brokers=h:1", "--ops-addr=" + taken},
			Env: map[string]string{"WAYBILL_DATABASE_URL": "u:" + secret + "@h/w"}, Want: []string{"WAYBILL_DATABASE_URL"}, Secret: secret},
		{Name: "an ops address without a host", Args: with("--ops-addr=9090"), Want: []string{"--ops-addr"}},
		{Name: "an ops port that is none", Args: with("--ops-addr=127.0.0.1:65536"), Want: []string{"--ops-addr", "65536"}},
		{Name: "no group", Args: with("--group="), Want: []string{"--group"}},
		{Name: "no worker", Args: with("--workers=0"), Want: []string{"--workers"}},
		{Name: "workers that are no number", Args: with("--workers=many"), Want: []string{"--workers"}},
		{Name: "a variable's workers that are no number", Args: with(), Env: map[string]string{"WAYBILL_WORKERS": "many"}, Want: []string{"WAYBILL_WORKERS"}},
		{Name: "a variable's workers that are too few", Args: with(), Env: map[string]string{"WAYBILL_WORKERS": "-1"}, Want: []string{"--workers", "WAYBILL_WORKERS"}},
		{Name: "parking of no type", Args: with("--park=order.placed.v1,orders.*"), Want: []string{"--park", `"orders.*"`}, Secret: secret},
		{Name: "parking by an expression", Args: with("--park=order.[a-z]*"), Want: []string{"--park", "order.*"}, Secret: secret},
		{Name: "a variable's parking of no type", Args: with(), Env: map[string]string{"WAYBILL_PARK": "orders.*"}, Want: []string{"WAYBILL_PARK", `"orders.*"`}, Secret: secret},
		{Name: "an empty batch", Args: with("--batch-events=0"), Want: []string{"--batch-events"}},
		{Name: "a wait into the past", Args: with("--batch-wait=-1s"), Want: []string{"--batch-wait"}},
		{Name: "a wait without a unit", Args: with("--batch-wait=25"), Want: []string{"--batch-wait"}},
		{Name: "two problems at once", Args: with("--workers=0", "--batch-events=0"), Want: []string{"--workers", "--batch-events"}},
		{Name: "positions without brokers", Args: []string{"positions", "--database-url=postgres://h/w"}, Want: []string{"--brokers"}},
		{Name: "positions in no time", Args: []string{"positions", "--brokers=h:1", "--database-url=postgres://h/w", "--timeout=0s"}, Want: []string{"--timeout"}},
		{Name: "a gap of nowhere", Args: []string{"accept-gap", "--brokers=h:1", "--database-url=postgres://h/w"}, Want: []string{"--topic", "--to", "--reason"}},
		{Name: "a gap to nowhere", Args: gap("--to=middle", "--reason=r", "--partition=0"), Want: []string{"--to", `"middle"`}},
		{Name: "a gap into the past", Args: gap("--to=-5", "--reason=r", "--partition=0"), Want: []string{"--to"}},
		{Name: "a gap without a reason", Args: gap("--to=latest", "--reason=", "--partition=0"), Want: []string{"--reason"}},
		{Name: "a gap of no partition", Args: gap("--to=latest", "--reason=r", "--partition=-1"), Want: []string{"--partition"}},
		{Name: "an unknown level", Args: with("--log-level=loud"), Want: []string{"--log-level"}},
		{Name: "an unknown format", Args: with("--log-format=xml"), Want: []string{"--log-format"}},
		{Name: "a variable's unknown format", Args: with(), Env: map[string]string{"WAYBILL_LOG_FORMAT": "xml"}, Want: []string{"--log-format", "WAYBILL_LOG_FORMAT"}},
		{Name: "migrate without a database", Args: []string{"migrate"}, Want: []string{"--database-url"}},
		{Name: "migrate to no partitions", Args: []string{"migrate", "--database-url=postgres://h/w", "--partitions=0"}, Want: []string{"--partitions"}},
		{Name: "migrate to no replicas", Args: []string{"migrate", "--database-url=postgres://h/w", "--replication=0"}, Want: []string{"--replication"}},
		{Name: "migrate in no time", Args: []string{"migrate", "--database-url=postgres://h/w", "--timeout=0s"}, Want: []string{"--timeout"}},
	})
}

func TestConsumerHelpNamesTheVariables(t *testing.T) {
	clitest.Helps(t, run, map[string][]string{
		"":        {"WAYBILL_LOG_LEVEL", "WAYBILL_LOG_FORMAT"},
		"run":     {"WAYBILL_BROKERS", "WAYBILL_DATABASE_URL", "WAYBILL_OPS_ADDR", "WAYBILL_GROUP", "WAYBILL_WORKERS", "WAYBILL_BATCH_EVENTS", "WAYBILL_BATCH_WAIT", "WAYBILL_HALT_ON_NEWER", "WAYBILL_ANY_PARTITION", "WAYBILL_PARK"},
		"migrate": {"WAYBILL_DATABASE_URL", "WAYBILL_BROKERS", "WAYBILL_PARTITIONS", "WAYBILL_REPLICATION", "WAYBILL_TIMEOUT"},
	})
}
