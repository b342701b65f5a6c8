package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"text/tabwriter"
)

// confCmd groups what concerns settings.
type confCmd struct {
	Show confShowCmd `cmd:"" help:"Print the settings in force, without secrets."`
}

// confShowCmd prints what serve would run with.
type confShowCmd struct {
	nodeConfig
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// A setting is one value in force.
type setting struct {
	Name  string `json:"name"`
	Env   string `json:"env"`
	Value string `json:"value"`
}

// Run prints one row a setting, passwords left out, and says whether serve would accept them.
func (c *confShowCmd) Run(g *Globals, s *streams) error {
	rows := []setting{{"database-url", "CONCORD_DATABASE_URL", withoutPassword(g.DatabaseURL)}}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[nodeConfig]()) {
		if f.Anonymous || !f.IsExported() {
			continue
		}
		value := fmt.Sprint(reflect.ValueOf(c.nodeConfig).FieldByIndex(f.Index).Interface())
		if f.Name == "RedisURL" {
			value = withoutPassword(value)
		}
		rows = append(rows, setting{flagName(f.Name), f.Tag.Get("env"), value})
	}
	if c.Output == "json" {
		if err := json.NewEncoder(s.out).Encode(rows); err != nil {
			return err
		}
	} else {
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "SETTING\tVARIABLE\tVALUE")
		for _, r := range rows {
			fmt.Fprintf(w, "%s\t%s\t%s\n", r.Name, r.Env, r.Value)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if err := c.check(g); err != nil {
		return &exitError{status: 1, text: "serve would refuse these: " + err.Error()}
	}
	return nil
}

// withoutPassword returns a URL with its password replaced.
func withoutPassword(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(not a URL)"
	}
	return u.Redacted()
}

// flagName turns a field's name into its flag's: "RedisURL" -> "redis-url", as kong does.
func flagName(field string) string {
	var out []byte
	upper := func(i int) bool { return i >= 0 && i < len(field) && field[i] >= 'A' && field[i] <= 'Z' }
	for i := range len(field) {
		if upper(i) && i > 0 && (!upper(i-1) || (i+1 < len(field) && !upper(i+1))) {
			out = append(out, '-')
		}
		out = append(out, field[i]|0x20)
	}
	return string(out)
}
