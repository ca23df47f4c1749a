package web_test

import (
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/waybill-io/waybill/web"
)

var (
	reference  = regexp.MustCompile(`(?:src|href)="([^"]*)"`)
	inlineCode = regexp.MustCompile(`(?i)<script(?:\s[^>]*)?>\s*[^<\s]|<style|\sstyle=|\son\w+=`)
	hashed     = regexp.MustCompile(`^assets/[\w.-]+-[\w-]{8}\.\w+$`)
	foreign    = regexp.MustCompile(`(?:fetch|import|url)\(\s*["']?(?:https?:)?//`)
)

func page(t *testing.T) string {
	t.Helper()
	body, err := fs.ReadFile(web.Dist(), "index.html")
	if err != nil {
		t.Fatalf("read the page: %v (run npm run build in web)", err)
	}
	return string(body)
}

func TestPage_everyFileItNamesIsEmbedded(t *testing.T) {
	refs := reference.FindAllStringSubmatch(page(t), -1)
	if len(refs) < 3 {
		t.Fatalf("the page names %d files, want at least a script, a style sheet and an icon", len(refs))
	}
	for _, ref := range refs {
		name, ok := strings.CutPrefix(ref[1], "/")
		if !ok {
			t.Errorf("reference %q does not begin at the root of this host", ref[1])
			continue
		}
		if _, err := fs.Stat(web.Dist(), name); err != nil {
			t.Errorf("reference %q: %v", ref[1], err)
		}
	}
}

func TestPage_hasNoInlineCode(t *testing.T) {
	if found := inlineCode.FindString(page(t)); found != "" {
		t.Errorf("the page has inline code %q, which its policy refuses", found)
	}
}

func TestDist_namesChangeWithContent(t *testing.T) {
	fixed := map[string]bool{"index.html": true, "favicon.svg": true}
	err := fs.WalkDir(web.Dist(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && !fixed[name] && !hashed.MatchString(name) {
			t.Errorf("file %q has no hash in its name, so it cannot be cached for good", name)
		}
		return err
	})
	if err != nil {
		t.Fatalf("walk dist: %v", err)
	}
}

func TestDist_asksNoOtherHost(t *testing.T) {
	assets, err := fs.Glob(web.Dist(), "assets/*")
	if err != nil || len(assets) == 0 {
		t.Fatalf("assets = %v, %v, want some", assets, err)
	}
	for _, name := range assets {
		body, err := fs.ReadFile(web.Dist(), name)
		if err != nil {
			t.Fatalf("read %s: %v", path.Base(name), err)
		}
		if found := foreign.Find(body); found != nil {
			t.Errorf("%s asks another host: %q", path.Base(name), found)
		}
	}
}
