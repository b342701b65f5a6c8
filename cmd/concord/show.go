package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"text/tabwriter"

	"github.com/concord-hie/concord/server"
)

// confCmd groups what concerns settings.
type confCmd struct {
	Show confShowCmd `cmd:"" help:"Print the settings in force, without secrets."`
}

// Help implements kong.HelpProvider.
func (confShowCmd) Help() string {
	return `Every setting of a node with its value and where that comes from: flag, environment, file or default. Passwords are hidden. Operators see
the same of a running node on their pages and at GET /admin/v1/config.

Example:
  concord --config concord.json config show`
}

// confShowCmd prints what serve would run with.
type confShowCmd struct {
	nodeConfig
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Run prints one row a setting, passwords left out, and says whether serve would accept them.
func (c *confShowCmd) Run(g *Globals, s *streams) error {
	rows := settingsOf(g, &c.nodeConfig)
	if c.Output == "json" {
		if err := json.NewEncoder(s.out).Encode(rows); err != nil {
			return err
		}
	} else {
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "SETTING\tVARIABLE\tORIGIN\tVALUE")
		for _, r := range rows {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Name, r.Env, r.Origin, r.Value)
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

// settingsOf lists the settings a node runs with, each with where its value comes from and without passwords. What secrets
// there are besides lie in files, of which only the names are settings.
func settingsOf(g *Globals, n *nodeConfig) []server.Setting {
	var rows []server.Setting
	for _, part := range []reflect.Value{reflect.ValueOf(*g), reflect.ValueOf(*n)} {
		for _, f := range reflect.VisibleFields(part.Type()) {
			if f.Anonymous || !f.IsExported() {
				continue
			}
			value := fmt.Sprint(part.FieldByIndex(f.Index).Interface())
			if f.Type.Kind() == reflect.Slice {
				value = strings.Join(part.FieldByIndex(f.Index).Interface().([]string), ", ")
			}
			if f.Name == "DatabaseURL" || f.Name == "RedisURL" {
				value = withoutPassword(value)
			}
			name := cmp.Or(f.Tag.Get("name"), flagName(f.Name))
			rows = append(rows, server.Setting{Name: name, Env: f.Tag.Get("env"), Value: value, Origin: cmp.Or(g.origins[name], originProgram)})
		}
	}
	return rows
}

// withoutPassword returns a URL with its passwords replaced, where they may stand: before the host and among the parameters.
// What is no URL is not shown, since a password might stand anywhere in it.
func withoutPassword(raw string) string {
	if raw == "" {
		return ""
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		return "(not a URL)"
	}
	q := u.Query()
	for name := range q {
		if strings.Contains(strings.ToLower(name), "password") || strings.EqualFold(name, "passfile") {
			q.Set(name, "xxxxx")
		}
	}
	if len(q) > 0 {
		u.RawQuery = q.Encode()
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
