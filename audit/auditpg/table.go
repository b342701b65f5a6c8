package auditpg

import (
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// tableOrigin begins every signed table, so that none can be taken for a checkpoint or the other way round.
const tableOrigin = "concord.audit table"

// SignTable returns text, rows of an extract of the trail, as a signed note: its first line says what it is, its last
// lines hold the signature, and what lies between opens in a spreadsheet. text is lines without control characters.
//
// Source: C2SP signed-note.
func (s *Sequencer) SignTable(text string) (string, error) {
	b, err := note.Sign(&note.Note{Text: tableOrigin + "\n" + text}, s.signer)
	if err != nil {
		return "", fmt.Errorf("auditpg: sign a table: %w", err)
	}
	return string(b), nil
}

// OpenTable returns the rows of a table that v's key signed. The error says that it is not one and quotes nothing.
func OpenTable(signed []byte, v note.Verifier) (string, error) {
	n, err := note.Open(signed, note.VerifierList(v))
	if err != nil {
		return "", errTable
	}
	text, ok := strings.CutPrefix(n.Text, tableOrigin+"\n")
	if !ok {
		return "", errTable
	}
	return text, nil
}

var errTable = fmt.Errorf("auditpg: not a table signed with this key, or changed since")
