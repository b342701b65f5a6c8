package migrations

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// queryRules are what a statement text must not contain (spec scale-out section 2).
var queryRules = []struct{ pattern, reason string }{
	{`(?i)\blateral\b`, "LATERAL with LIMIT over a list fails on Citus; run one statement a source patient and merge (rule 11)"},
	{`(?is)insert\s+into.*?select.*?\bunnest\s*\(`, "INSERT ... SELECT FROM unnest is six times slower than VALUES there (rule 9)"},
	{`(?is)\bin\s*\([^)]*\)[^;]*for\s+(update|share)`, "FOR UPDATE takes one equality on the distribution column (rule 10)"},
	{`(?is)=\s*any\s*\([^)]*\)[^;]*for\s+(update|share)`, "FOR UPDATE takes one equality on the distribution column (rule 10)"},
	{`(?is)^\s*merge\s+into`, "MERGE from VALUES is refused (rule 7)"},
	{`(?is)^\s*update\b.*\b(random|clock_timestamp)\s*\(`, "volatile functions in UPDATE are refused (rule 7)"},
	{`(?is)^\s*(update|delete)\b.*=\s*any\s*\(`, "multi-row UPDATE and DELETE queue behind each other across shards (rule 8)"},
	{`(?i)pg_advisory_xact_lock`, "advisory locks live on the node that runs them: claim rows decide races (section 5)"},
	{`(?i)\bnextval\s*\(`, "ids come from the program (rule 5)"},
}

var (
	startsSQL = regexp.MustCompile(`(?is)^\s*(select|insert|update|delete|with|merge)\s`)
	fromTable = regexp.MustCompile(`(?is)\b(?:from|into|update|join)\s+([a-z_]+)\b(\.?)`)
)

// allShards marks statements that may touch every shard: sweeps and operators' lists, not hot paths. Each says
// so in its text by a leading comment "/* all shards: why */".
var allShards = regexp.MustCompile(`(?s)^\s*/\*\s*all shards:[^*]+\*/`)

// statements returns the SQL texts of all *pg packages with where they stand.
func statements(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		dir := filepath.Base(filepath.Dir(path))
		if !strings.HasSuffix(dir, "pg") || dir == "pg" {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, src, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			body := allShards.ReplaceAllString(text, "")
			if err == nil && startsSQL.MatchString(body) && fromTable.MatchString(body) {
				out[fset.Position(lit.Pos()).String()] = text
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 10 {
		t.Fatalf("found only %d statements; the rules were not checked", len(out))
	}
	return out
}

func TestNoStatementUsesWhatADistributedDatabaseRefuses(t *testing.T) {
	for where, text := range statements(t) {
		if allShards.MatchString(text) {
			continue
		}
		for _, rule := range queryRules {
			if regexp.MustCompile(rule.pattern).MatchString(text) {
				t.Errorf("%s: %s", where, rule.reason)
			}
		}
	}
}

func TestTablesAreNamedWithTheirSchema(t *testing.T) {
	for where, text := range statements(t) {
		ctes := map[string]bool{}
		for _, m := range regexp.MustCompile(`(?i)(?:with|,)\s+(?:recursive\s+)?([a-z_]+)\s*(?:\([^)]*\))?\s+as\s*(?:materialized\s*)?\(`).FindAllStringSubmatch(text, -1) {
			ctes[strings.ToLower(m[1])] = true
		}
		for _, m := range fromTable.FindAllStringSubmatch(text, -1) {
			name := strings.ToLower(m[1])
			if m[2] == "." || ctes[name] || name == "set" || name == "unnest" || name == "of" || name == "lateral" || name == "values" {
				continue
			}
			t.Errorf("%s: %q has no schema (rule 15)", where, m[1])
		}
	}
}

// distributed are the tables of groups S, K, P and C with the column a hot statement names by equality.
func distributed(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, text := range migrationsText(t) {
		for _, m := range grouped.FindAllStringSubmatch(text, -1) {
			if cols := groups[m[2]]; len(cols) == 1 {
				out[m[1]] = cols[0]
			}
		}
	}
	return out
}

func TestEveryHotStatementNamesItsDistributionColumn(t *testing.T) {
	tables := distributed(t)
	for where, text := range statements(t) {
		if allShards.MatchString(text) || regexp.MustCompile(`(?is)^\s*insert\b`).MatchString(text) {
			continue // an insert carries the column among its values; the lint of keys sees to that
		}
		for table, column := range tables {
			if !regexp.MustCompile(`(?i)\b` + regexp.QuoteMeta(table) + `\b`).MatchString(text) {
				continue
			}
			if !regexp.MustCompile(`(?i)\b` + column + `\s*=\s*(any\s*\()?\s*\$\d+`).MatchString(text) {
				t.Errorf("%s: a statement on %s does not name %s by equality, so it would ask every shard (rule 4); "+
					"if that is meant, begin it with /* all shards: why */", where, table, column)
			}
		}
	}
}
