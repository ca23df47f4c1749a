package main

import (
	"path/filepath"
	"testing"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
)

func TestDevRefusesWrongUsageBeforeItDoesAnything(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	with := func(args ...string) []string { return append([]string{"--data=" + dir}, args...) }
	clitest.Refuses(t, run, []clitest.Wrong{
		{Name: "an unknown flag", Args: with("--frobnicate"), Want: []string{"--frobnicate"}},
		{Name: "an argument", Args: with("extra"), Want: []string{"extra"}},
		{Name: "no directory", Args: []string{"--data="}, Want: []string{"--data"}},
		{Name: "a port that needs rights", Args: with("--port-base=80"), Want: []string{"--port-base"}},
		{Name: "a port with no room above it", Args: with("--port-base=65533"), Want: []string{"--port-base"}},
		{Name: "a port that is no number", Args: with("--port-base=http"), Want: []string{"--port-base"}},
		{Name: "a variable's port that is no number", Args: with(), Env: map[string]string{"WAYBILL_PORT_BASE": "http"}, Want: []string{"WAYBILL_PORT_BASE"}},
		{Name: "traffic below nothing", Args: with("--simulate=-1"), Want: []string{"--simulate"}},
		{Name: "more traffic than can be", Args: with("--simulate=1e9"), Want: []string{"--simulate"}},
		{Name: "traffic that is no number", Args: with("--simulate=NaN"), Want: []string{"--simulate"}},
		{Name: "a variable's traffic below nothing", Args: with(), Env: map[string]string{"WAYBILL_SIMULATE": "-1"}, Want: []string{"--simulate", "WAYBILL_SIMULATE"}},
		{Name: "two tenants", Args: with("--tenant=a,b"), Want: []string{"--tenant"}},
		{Name: "no tenant", Args: with("--tenant="), Want: []string{"--tenant"}},
		{Name: "an origin without a scheme", Args: with("--origins=localhost:3000"), Want: []string{"--origins", "localhost:3000"}},
		{Name: "a variable's origin for any", Args: with(), Env: map[string]string{"WAYBILL_ORIGINS": "*"}, Want: []string{"--origins", "WAYBILL_ORIGINS"}},
		{Name: "an unknown format", Args: with("--log-format=xml"), Want: []string{"--log-format"}},
	})
	if left, _ := filepath.Glob(dir + "*"); len(left) > 0 {
		t.Errorf("wrong usage has made %v", left)
	}
}

func TestDevHelpNamesTheVariables(t *testing.T) {
	clitest.Helps(t, run, map[string][]string{
		"": {"WAYBILL_DATA", "WAYBILL_FRESH", "WAYBILL_SIMULATE", "WAYBILL_PORT_BASE", "WAYBILL_READY_FILE", "WAYBILL_ORIGINS", "WAYBILL_PARK", "WAYBILL_TENANT"},
	})
}
