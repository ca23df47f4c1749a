// Package deploy_test holds docker-compose.yml, the Dockerfile and the code
// together: what one of them names, the others have.
package deploy_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

var (
	ours        = []string{"consumer", "migrate", "producer", "tracker-ws"} // built from the Dockerfile
	longRunning = []string{"consumer", "grafana", "kafka", "postgres", "prometheus", "tracker-ws"}
	oneShot     = []string{"migrate", "producer"}
)

func load(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"../docker-compose.yml"}, cli.WithProfiles([]string{"*"}))
	if err != nil {
		t.Fatalf("read docker-compose.yml: %v", err)
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		t.Fatalf("load docker-compose.yml: %v", err)
	}
	return project
}

func TestComposeRunsThePlatform(t *testing.T) {
	project := load(t)
	want := slices.Sorted(slices.Values(slices.Concat(longRunning, oneShot)))
	if diff := cmp.Diff(want, slices.Sorted(slices.Values(project.ServiceNames()))); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
	for _, name := range longRunning {
		service := project.Services[name]
		if h := service.HealthCheck; h == nil || h.Disable || len(h.Test) < 2 || h.Interval == nil || h.Timeout == nil || h.StartPeriod == nil {
			t.Errorf("%s runs for long and has no full healthcheck", name)
		}
		if service.Restart != types.RestartPolicyUnlessStopped {
			t.Errorf("%s has restart %q, want %q", name, service.Restart, types.RestartPolicyUnlessStopped)
		}
	}
	for _, name := range oneShot {
		if got := project.Services[name].Restart; got != types.RestartPolicyNo {
			t.Errorf("%s ends by itself and has restart %q, want %q", name, got, types.RestartPolicyNo)
		}
	}
	for name, want := range map[string]string{"producer": "demo", "prometheus": "metrics", "grafana": "metrics"} {
		if got := project.Services[name].Profiles; !slices.Equal(got, []string{want}) {
			t.Errorf("%s has profiles %q; it is only for profile %s", name, got, want)
		}
	}
}

// Each service waits for what it cannot work without: for a long-running one until
// it is healthy, for a one-shot until it has succeeded.
func TestComposeStartsServicesInOrder(t *testing.T) {
	project := load(t)
	want := map[string][]string{
		"migrate":    {"kafka", "postgres"},
		"consumer":   {"migrate"},
		"tracker-ws": {"migrate"},
		"producer":   {"migrate"},
	}
	for name, service := range project.Services {
		var got []string
		for other, how := range service.DependsOn {
			got = append(got, other)
			condition := types.ServiceConditionHealthy
			if slices.Contains(oneShot, other) {
				condition = types.ServiceConditionCompletedSuccessfully
			}
			if how.Condition != condition {
				t.Errorf("%s waits for %s with %s, want %s", name, other, how.Condition, condition)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want[name], got); diff != "" {
			t.Errorf("%s depends on (-want +got):\n%s", name, diff)
		}
	}
}

func TestComposeKeepsDataInNamedVolumes(t *testing.T) {
	project := load(t)
	for name, target := range map[string]string{"kafka": "/var/lib/kafka/data", "postgres": "/var/lib/postgresql/data", "prometheus": "/prometheus", "grafana": "/var/lib/grafana"} {
		mounted := slices.ContainsFunc(project.Services[name].Volumes, func(v types.ServiceVolumeConfig) bool {
			_, declared := project.Volumes[v.Source]
			return declared && v.Type == types.VolumeTypeVolume && v.Target == target && !v.ReadOnly
		})
		if !mounted {
			t.Errorf("%s has no named volume at %s", name, target)
		}
	}
	for name, service := range project.Services {
		for _, v := range service.Volumes {
			if v.Type != types.VolumeTypeBind {
				continue
			}
			if _, err := os.Stat(v.Source); err != nil {
				t.Errorf("%s mounts %s: %v", name, v.Source, err)
			}
			if !v.ReadOnly {
				t.Errorf("%s mounts %s for writing", name, v.Source)
			}
		}
	}
}

func TestComposeTakesRightsAway(t *testing.T) {
	for name, service := range load(t).Services {
		if !slices.Equal(service.CapDrop, []string{"ALL"}) || len(service.CapAdd) > 0 || service.Privileged {
			t.Errorf("%s keeps capabilities", name)
		}
		if !slices.Contains(service.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s may gain privileges", name)
		}
		if !service.ReadOnly && name != "kafka" { // its image writes the configuration at start
			t.Errorf("%s may write its own file system", name)
		}
		if service.Deploy == nil || service.Deploy.Resources.Limits == nil || service.Deploy.Resources.Limits.MemoryBytes == 0 {
			t.Errorf("%s has no limit of memory", name)
		}
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes port %s on %q, want loopback only", name, port.Published, port.HostIP)
			}
		}
	}
}

// Secrets come as files that git does not know; no environment carries one.
func TestComposeKeepsSecretsInFiles(t *testing.T) {
	project := load(t)
	ignored, err := os.ReadFile("../.gitignore")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(strings.Split(string(ignored), "\n"), "/secrets/") {
		t.Error(".gitignore lets git take secrets/")
	}

	made := makeSecrets(t)
	for name, secret := range project.Secrets {
		if _, err := os.Stat(filepath.Join(made, filepath.Base(secret.File))); err != nil {
			t.Errorf("deploy/secrets.sh does not make the secret %s: %v", name, err)
		}
	}
	secretKey := regexp.MustCompile(`(?i)(password|secret|token)$`)
	secretFile := regexp.MustCompile(`/run/secrets/(\w+)`)
	secretURL := regexp.MustCompile(`://[^/@]*:[^/@]+@`)
	for name, service := range project.Services {
		for key, value := range service.Environment {
			if secretKey.MatchString(key) || secretURL.MatchString(deref(value)) {
				t.Errorf("%s has a secret in its environment: %s", name, key)
			}
			for _, file := range secretFile.FindAllStringSubmatch(deref(value), -1) {
				if !given(service, file[1]) {
					t.Errorf("%s names the secret file %s, which it is not given", name, file[0])
				}
			}
		}
	}
}

// given tells whether a service finds a secret under /run/secrets.
func given(service types.ServiceConfig, name string) bool {
	return slices.ContainsFunc(service.Secrets, func(s types.ServiceSecretConfig) bool {
		return s.Target == name || s.Target == "/run/secrets/"+name || s.Target == "" && s.Source == name
	})
}

// makeSecrets runs deploy/secrets.sh on a copy and returns the folder it made. A
// second run must leave the secrets as they are.
func makeSecrets(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	script, err := os.ReadFile("secrets.sh")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "deploy"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "deploy", "secrets.sh"), script, 0o755); err != nil {
		t.Fatal(err)
	}
	var before []byte
	for range 2 {
		if out, err := exec.Command("bash", filepath.Join(root, "deploy", "secrets.sh")).CombinedOutput(); err != nil {
			t.Fatalf("deploy/secrets.sh: %v\n%s", err, out)
		}
		jwt, err := os.ReadFile(filepath.Join(root, "secrets", "jwt"))
		if err != nil || len(jwt) < 32 {
			t.Fatalf("deploy/secrets.sh made a key of %d bytes: %v", len(jwt), err)
		}
		if before != nil && string(before) != string(jwt) {
			t.Error("deploy/secrets.sh replaced a secret that was in use")
		}
		before = jwt
	}
	return filepath.Join(root, "secrets")
}

func TestComposePinsItsImages(t *testing.T) {
	pinned := regexp.MustCompile(`^[a-z0-9./-]+:v?[0-9]+\.[0-9]+(\.[0-9]+)?(-[a-z0-9]+)?$`)
	project := load(t)
	for name, service := range project.Services {
		if service.Build == nil && !pinned.MatchString(service.Image) {
			t.Errorf("%s has image %q, want a tag with a full version", name, service.Image)
		}
	}
	if got, want := project.Services["kafka"].Image, kafkaImage(t); got != want {
		t.Errorf("kafka has image %q, want %q, the version of scripts/kafka/pom.xml", got, want)
	}
}

// kafkaImage is the image of the version that scripts/kafka tests against.
func kafkaImage(t *testing.T) string {
	t.Helper()
	pom, err := os.ReadFile("../scripts/kafka/pom.xml")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`<kafka\.version>(.*)</kafka\.version>`).FindSubmatch(pom)
	if m == nil {
		t.Fatal("scripts/kafka/pom.xml does not say kafka.version")
	}
	return "apache/kafka:" + string(m[1])
}

func TestComposeDoesNotLetKafkaMakeTopics(t *testing.T) {
	env := load(t).Services["kafka"].Environment
	for key, want := range map[string]string{
		"KAFKA_AUTO_CREATE_TOPICS_ENABLE":      "false",
		"KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE": "false",
	} {
		if got := deref(env[key]); got != want {
			t.Errorf("kafka has %s=%q, want %q", key, got, want)
		}
	}
}

// Every final stage of the Dockerfile is one command's image without root, and
// every service that is built has its stage, its command and a way to ask it for
// its health.
func TestComposeBuildsWhatTheDockerfileHas(t *testing.T) {
	project, stages := load(t), dockerfile(t)
	for _, name := range ours {
		service := project.Services[name]
		if service.Build == nil {
			t.Errorf("%s is not built here", name)
			continue
		}
		target := service.Build.Target
		st, ok := stages[target]
		if !ok {
			t.Errorf("%s is built from stage %q, which the Dockerfile does not have", name, target)
			continue
		}
		if !strings.HasPrefix(st.from, "gcr.io/distroless/static-") || !strings.HasSuffix(st.from, ":nonroot") {
			t.Errorf("stage %s is from %s, want distroless static, nonroot", target, st.from)
		}
		if uid, _, _ := strings.Cut(st.user, ":"); uid == "" || uid == "0" || uid == "root" {
			t.Errorf("stage %s runs as user %q", target, st.user)
		}
		if want := `["/` + target + `"]`; st.entrypoint != want {
			t.Errorf("stage %s has the entrypoint %s, want %s", target, st.entrypoint, want)
		}
		if h := service.HealthCheck; h != nil && !slices.Equal(h.Test, []string{"CMD", "/" + target, "health"}) {
			t.Errorf("%s has the healthcheck %q, want its own subcommand health", name, h.Test)
		}
	}
}

// The commands know every subcommand that compose starts, and every setting that it
// gives them: a misspelled one would otherwise be passed over in silence.
func TestCommandsKnowWhatComposeGivesThem(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "./cmd/producer", "./cmd/consumer", "./cmd/tracker-ws")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the commands: %v\n%s", err, out)
	}
	for name, service := range load(t).Services {
		if service.Build == nil {
			continue
		}
		program := filepath.Join(bin, service.Build.Target)
		help := helpOf(t, program, service.Command...)
		for key := range service.Environment {
			if !strings.Contains(help, "$"+key) {
				t.Errorf("%s gets %s, which %s %q does not know", name, key, service.Build.Target, service.Command)
			}
		}
		if service.HealthCheck != nil {
			helpOf(t, program, "health")
		}
	}
}

// helpOf returns what a program says to its arguments and --help.
func helpOf(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, append(slices.Clone(args), "--help")...)
	cmd.Env = []string{}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s %q --help: %v\n%s", filepath.Base(program), args, err, out)
	}
	return string(out)
}

// stage is what one FROM of the Dockerfile leads to.
type stage struct{ from, user, entrypoint string }

// dockerfile reads the named stages of the Dockerfile.
func dockerfile(t *testing.T) map[string]*stage {
	t.Helper()
	f, err := os.Open("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	stages, current := map[string]*stage{}, &stage{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) == 4 && words[0] == "FROM" && words[2] == "AS":
			current = &stage{from: words[1]}
			stages[words[3]] = current
		case len(words) > 0 && words[0] == "FROM":
			t.Errorf("the Dockerfile has a stage without a name: %q", lines.Text())
		case len(words) == 2 && words[0] == "USER":
			current.user = words[1]
		case len(words) > 1 && words[0] == "ENTRYPOINT":
			current.entrypoint = strings.Join(words[1:], " ")
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return stages
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// Prometheus finds the consumers and gateways under the names and on the port that
// compose gives them, and Grafana finds Prometheus and the dashboard.
func TestComposeLetsPrometheusAndGrafanaFindWhatTheyShow(t *testing.T) {
	project := load(t)
	var scraping struct {
		RuleFiles []string `yaml:"rule_files"`
		Configs   []struct {
			Job string `yaml:"job_name"`
			DNS []struct {
				Names []string `yaml:"names"`
				Port  string   `yaml:"port"`
			} `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
	}
	readYAML(t, "prometheus/prometheus.yml", &scraping)
	for _, file := range scraping.RuleFiles {
		if _, err := os.Stat(filepath.Join("prometheus", file)); err != nil {
			t.Errorf("prometheus.yml names rules that are not there: %v", err)
		}
	}
	scraped := map[string]bool{}
	for _, job := range scraping.Configs {
		for _, dns := range job.DNS {
			for _, name := range dns.Names {
				scraped[name] = true
				if addr := deref(project.Services[name].Environment["WAYBILL_OPS_ADDR"]); addr != ":"+dns.Port || job.Job != "waybill-"+name {
					t.Errorf("job %s scrapes %s on port %s, which answers on %q", job.Job, name, dns.Port, addr)
				}
			}
		}
	}
	if diff := cmp.Diff(map[string]bool{"consumer": true, "tracker-ws": true}, scraped); diff != "" {
		t.Errorf("scraped (-want +got):\n%s", diff)
	}

	var sources struct {
		List []struct {
			URL string `yaml:"url"`
		} `yaml:"datasources"`
	}
	readYAML(t, "grafana/provisioning/datasources/prometheus.yml", &sources)
	if len(sources.List) != 1 || sources.List[0].URL != "http://prometheus:9090" {
		t.Errorf("Grafana reads %v, want the service prometheus", sources.List)
	}
	var providers struct {
		List []struct {
			Options struct {
				Path string `yaml:"path"`
			} `yaml:"options"`
		} `yaml:"providers"`
	}
	readYAML(t, "grafana/provisioning/dashboards/waybill.yml", &providers)
	for _, p := range providers.List {
		if !slices.ContainsFunc(project.Services["grafana"].Volumes, func(v types.ServiceVolumeConfig) bool { return v.Target == p.Options.Path }) {
			t.Errorf("Grafana looks for dashboards in %s, where nothing is mounted", p.Options.Path)
		}
	}
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(body, into); err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
}
