package migrations

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

// The rules that keep one schema good for PostgreSQL alone and for Citus (spec scale-out section 2; DESIGN
// section 5). The distribution column of each group:
var groups = map[string][]string{
	"S": {"sp_id"}, "K": {"key"}, "P": {"person_id"}, "C": {"claim"}, // distributed
	"R": nil, "L": nil, "l": nil, // reference, managed local, plain local: any key will do
}

var (
	comments  = regexp.MustCompile(`--[^\n]*`)
	creates   = regexp.MustCompile(`(?is)create\s+(unlogged\s+)?table\s+(?:if\s+not\s+exists\s+)?([a-z_.]+)\s*\((.*?)\n\)`)
	grouped   = regexp.MustCompile(`(?i)comment\s+on\s+table\s+([a-z_.]+)\s+is\s+'group\s+([A-Za-z])\b`)
	keys      = regexp.MustCompile(`(?is)(constraint\s+[a-z_]+\s+)?(primary\s+key|unique)\s*\(([^)]*)\)`)
	uniqueIdx = regexp.MustCompile(`(?is)create\s+unique\s+index\s+(?:concurrently\s+)?(?:if\s+not\s+exists\s+)?[a-z_]+\s+on\s+([a-z_.]+)\s*(?:using\s+\w+\s*)?\(([^)]*)\)`)
	columnKey = regexp.MustCompile(`(?im)^\s*[a-z_]+\s+[a-z0-9\[\]]+[^,\n]*\b(primary\s+key|unique|references)\b`)
	unnamed   = regexp.MustCompile(`(?im)^\s*(primary\s+key|unique|foreign\s+key|check)\s*\(`)
)

func migrationsText(t *testing.T) map[string]string {
	t.Helper()
	names, err := fs.Glob(Files, "*.sql")
	if err != nil || len(names) < 2 {
		t.Fatalf("found %d migrations, %v", len(names), err)
	}
	out := map[string]string{}
	for _, n := range names {
		b, err := fs.ReadFile(Files, n)
		if err != nil {
			t.Fatal(err)
		}
		out[n] = string(b)
	}
	return out
}

func TestNoMigrationUsesWhatADistributedDatabaseRefuses(t *testing.T) {
	for _, rule := range []struct{ pattern, reason string }{
		{`create\s+(or\s+replace\s+)?(constraint\s+)?trigger`, "triggers are not supported on distributed tables (rule 7)"},
		{`create\s+(or\s+replace\s+)?rule`, "rules sit silently on the coordinator (rule 7)"},
		{`\b(big|small)?serial\b`, "ids come from the program, not from a sequence (rule 5)"},
		{`generated\s+(always|by\s+default)\s+as\s+identity`, "ids come from the program, not from a sequence (rule 5)"},
		{`create\s+sequence`, "no meaning may hang on a sequence (rule 5)"},
		{`\bnextval\b`, "ids come from the program (rule 5)"},
		{`\btimestamp\s+without`, "times are stored in UTC with their zone known"},
		{`\btimestamp\b\s*(,|not|null|default)`, "use timestamptz"},
		{`\+goose\s+down`, "migrations run forward only"},
		{`default\s+(random|clock_timestamp)`, "volatile defaults differ between nodes (rule 7)"},
	} {
		re := regexp.MustCompile(`(?i)` + rule.pattern)
		for name, text := range migrationsText(t) {
			if !strings.Contains(rule.pattern, "goose") {
				text = comments.ReplaceAllString(text, "")
			}
			if m := re.FindString(text); m != "" {
				t.Errorf("%s has %q: %s", name, m, rule.reason)
			}
		}
	}
}

func TestEveryMigrationRunsItsShardStatementsInTurn(t *testing.T) {
	for name, text := range migrationsText(t) {
		if !strings.Contains(text, "set local citus.multi_shard_modify_mode to 'sequential'") {
			t.Errorf("%s lacks the setting without which foreign keys and seed rows fail on Citus (section 7)", name)
		}
	}
}

func TestEveryTableNamesItsGroupAndEveryKeyHoldsItsDistributionColumn(t *testing.T) {
	group := map[string]string{}
	for _, text := range migrationsText(t) {
		for _, m := range grouped.FindAllStringSubmatch(text, -1) {
			group[m[1]] = m[2]
		}
	}
	seen := 0
	for name, text := range migrationsText(t) {
		text = comments.ReplaceAllString(text, "")
		for _, m := range creates.FindAllStringSubmatch(text, -1) {
			table, body := m[2], m[3]
			seen++
			columns, known := groups[group[table]]
			if !known {
				t.Errorf("%s: table %s has no comment saying its group (S, K, P, C, R, L or l)", name, table)
				continue
			}
			if !strings.Contains(strings.ToLower(body), "primary key") {
				t.Errorf("%s: table %s has no primary key, so it could not be moved online (section 7)", name, table)
			}
			for _, k := range keys.FindAllStringSubmatch(body, -1) {
				if k[1] == "" {
					t.Errorf("%s: table %s has a key without a name; the step to Citus drops and adds constraints by name", name, table)
				}
				requireColumn(t, name, table, k[3], columns)
			}
			for _, m := range columnKey.FindAllString(body, -1) {
				if !strings.HasPrefix(strings.TrimSpace(strings.ToLower(m)), "constraint") {
					t.Errorf("%s: table %s: %q: give the constraint a name of its own", name, table, strings.TrimSpace(m))
				}
			}
			if m := unnamed.FindString(body); m != "" {
				t.Errorf("%s: table %s: %q has no name", name, table, strings.TrimSpace(m))
			}
		}
		for _, m := range uniqueIdx.FindAllStringSubmatch(text, -1) {
			requireColumn(t, name, m[1], m[2], groups[group[m[1]]])
		}
	}
	if seen == 0 {
		t.Error("no table was found; the rules were not checked")
	}
}

func requireColumn(t *testing.T, file, table, list string, columns []string) {
	t.Helper()
	for _, want := range columns {
		found := false
		for c := range strings.SplitSeq(list, ",") {
			found = found || strings.TrimSpace(c) == want
		}
		if !found {
			t.Errorf("%s: table %s: key (%s) lacks the distribution column %s (rule 1)", file, table, strings.TrimSpace(list), want)
		}
	}
}
