// Package archtest holds the import rules of the house as tests, each with its reason.
package archtest

import (
	"bufio"
	"bytes"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/concord-hie/concord"

// floors is the ladder, top first: a domain package may import only packages of lower floors. Sisters on one
// floor do not know each other.
var floors = [][]string{
	{"federation"}, {"locator"}, {"mpi", "consent"}, {"directory", "access"}, {"audit"}, {"hie"},
}

// owners says which package alone may import a foreign library.
var owners = []struct{ library, owner, reason string }{
	{"github.com/lib/pq", "internal/pg", "driver errors quote rows; one place takes that out"},
	{"github.com/pressly/goose", "internal/pg", "migrations run through one door"},
	{"github.com/redis/go-redis", "internal/rds", "what Redis may lose is decided in one place"},
	{"github.com/lestrrat-go/jwx", "internal/token", "the move to v3 is one directory"},
	{"github.com/coreos/go-oidc", "access/accessoidc", "who signs in is settled in one place"},
	{"golang.org/x/oauth2", "access/accessoidc", "tokens of the provider are used there and kept nowhere"},
	{"github.com/alecthomas/kong", "cmd/concord", "only the program knows its command line"},
	{"github.com/getkin/kin-openapi", "portal", "the API's description is read to be shown, and nowhere else"},
	{"github.com/gin-gonic/gin", "server portal", "a handler is the only thing that sees a gin.Context"},
}

// pkg is one package of the module with what its non-test files import.
type pkg struct {
	path    string // relative to the module: "mpi/mpipg"
	imports []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		fields := strings.Fields(s.Text())
		all = append(all, pkg{path: strings.TrimPrefix(strings.TrimPrefix(fields[0], module), "/"), imports: fields[1:]})
	}
	if len(all) < 10 {
		t.Fatalf("go list found only %d packages; the rules were not checked", len(all))
	}
	return all
}

// floorOf returns the floor of a domain package, 0 the highest, or -1.
func floorOf(p string) int {
	return slices.IndexFunc(floors, func(f []string) bool { return slices.Contains(f, p) })
}

// adapted returns the domain an adapter belongs to ("mpi" for "mpi/mpipg"), or "".
func adapted(p string) string {
	parent, name := path.Split(p)
	parent = strings.TrimSuffix(parent, "/")
	if parent != "" && floorOf(parent) >= 0 && strings.HasPrefix(name, parent) {
		return parent
	}
	return ""
}

func TestDomainPackagesAreStandardLibraryAndLowerFloorsOnly(t *testing.T) {
	forbidden := []string{"database/sql", "net/http", "encoding/json"}
	for _, p := range packages(t) {
		floor := floorOf(p.path)
		if floor < 0 {
			continue
		}
		for _, imp := range p.imports {
			rel, ours := strings.CutPrefix(imp, module+"/")
			switch {
			case ours && floorOf(rel) > floor:
			case ours:
				t.Errorf("%s imports %s: a domain package imports only domain packages of lower floors, so that its rules can be tested in microseconds and reviewed without SQL", p.path, rel)
			case strings.Contains(strings.Split(imp, "/")[0], "."):
				t.Errorf("%s imports %s: a domain package needs nothing but the standard library", p.path, imp)
			case slices.Contains(forbidden, imp):
				t.Errorf("%s imports %s: SQL, HTTP and JSON belong to adapters", p.path, imp)
			}
		}
	}
}

func TestAdaptersKnowTheirOwnDomainAndNoOtherAdapter(t *testing.T) {
	for _, p := range packages(t) {
		own := adapted(p.path)
		if own == "" || p.path == "federation/federationhttp" {
			continue // federationhttp speaks FHIR to sites and so meets locatorfhir
		}
		for _, imp := range p.imports {
			rel, ours := strings.CutPrefix(imp, module+"/")
			if !ours || rel == "audit/auditpg" || rel == "hie" || strings.HasPrefix(rel, "internal/") || rel == "migrations" {
				continue
			}
			if other := adapted(rel); other != "" && other != own {
				t.Errorf("%s imports %s: adapters of different domains meet in server, portal, federationhttp and cmd only", p.path, rel)
			}
			if f := floorOf(rel); f >= 0 && f < floorOf(own) {
				t.Errorf("%s imports %s: imports run down the ladder", p.path, rel)
			}
		}
	}
}

func TestDoorsNeverSeeAStore(t *testing.T) {
	for _, p := range packages(t) {
		if p.path != "server" && p.path != "portal" {
			continue
		}
		for _, imp := range p.imports {
			rel, ours := strings.CutPrefix(imp, module+"/")
			if ours && (strings.HasSuffix(rel, "pg") || rel == "internal/rds") {
				t.Errorf("%s imports %s: a handler makes one domain call; it does not know where things are kept", p.path, rel)
			}
			if ours && strings.HasPrefix(rel, "cmd/") {
				t.Errorf("%s imports %s: imports run down the ladder", p.path, rel)
			}
		}
	}
}

func TestInternalPackagesKnowNothingOfTheExchange(t *testing.T) {
	for _, p := range packages(t) {
		if !strings.HasPrefix(p.path, "internal/") {
			continue
		}
		for _, imp := range p.imports {
			rel, ours := strings.CutPrefix(imp, module+"/")
			if ours && rel != "hie" && rel != "migrations" && !strings.HasPrefix(rel, "internal/") {
				t.Errorf("%s imports %s: formats and plumbing know none of the exchange's rules", p.path, rel)
			}
		}
	}
}

func TestEachForeignLibraryHasOneOwner(t *testing.T) {
	for _, p := range packages(t) {
		for _, imp := range p.imports {
			for _, o := range owners {
				if (imp == o.library || strings.HasPrefix(imp, o.library+"/")) && !slices.Contains(strings.Fields(o.owner), p.path) {
					t.Errorf("%s imports %s, which belongs to %s: %s", p.path, imp, o.owner, o.reason)
				}
			}
		}
	}
}

func TestTopLevelFoldersAreWordsOfTheTrade(t *testing.T) {
	known := []string{"cmd", "server", "portal", "access", "federation", "locator", "mpi", "consent", "directory", "audit", "hie",
		"internal", "migrations", "bench", "test", "docs"}
	for _, p := range packages(t) {
		if top, _, _ := strings.Cut(p.path, "/"); top != "" && !slices.Contains(known, top) {
			t.Errorf("top-level folder %s: a new one needs a new word of the trade, agreed in STYLE", top)
		}
	}
}
