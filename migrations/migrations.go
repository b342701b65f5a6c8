// Package migrations embeds the numbered SQL that makes the schema. Forward only: the old program runs on the
// new schema and the new one on the old.
//
// Rules that keep one schema good for one machine and for many are in lint_test.go, each with its reason
// (spec scale-out section 2). Each table's comment names its group there: S by sp_id, K by key, P by person,
// C by its own claim hash, R reference, L managed local.
package migrations

import "embed"

// Files holds the migrations, as goose reads them.
//
//go:embed *.sql
var Files embed.FS
