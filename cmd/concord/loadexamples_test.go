package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEachExampleTransactionGoesThroughAGateway sends each of MHD's example transactions as a site's gateway would. All of
// them bear one masterIdentifier, so each document is deleted before the next example comes. The documents they relate to
// are given beside them, since those of the guide are not complete.
//
// Source: IHE MHD 4.2, examples.
func TestEachExampleTransactionGoesThroughAGateway(t *testing.T) {
	oneAfterAnother(t)
	const examples = "../../../shared/data/messages/fhir/ihe-mhd/"
	if _, err := os.Stat(examples); err != nil {
		t.Skip("the shared sample messages are not on this machine")
	}
	x := newExchange(t, 1)
	read := func(name string) []byte {
		b, err := os.ReadFile(examples + name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	related := func(id string) []byte {
		return fmt.Appendf(nil, `{"resourceType":"DocumentReference","id":"%[1]s","status":"current","subject":{"reference":"Patient/ex-patient"},
"masterIdentifier":{"system":"urn:ietf:rfc:3986","value":"urn:example:%[1]s"},"type":{"coding":[{"system":"http://loinc.org","code":"34133-9"}]},
"category":[{"coding":[{"system":"http://loinc.org","code":"34133-9"}]}],"content":[{"attachment":{"contentType":"text/plain","data":"SGVsbG8="}}]}`, id)
	}
	for _, e := range []struct{ name, refused string }{
		{"minimalProvideDocumentBundleSimple", ""},
		{"minimalProvideDocumentBundleSimpleContained", ""},
		{"comprehensiveProvideDocumentBundleSimple", ""},
		{"comprehensiveProvideDocumentBundleDocument", ""},
		{"comprehensiveProvideDocumentBundleReplace", ""},
		{"comprehensiveProvideDocumentBundleComplete", ""},
		{"unContainedComprehensiveProvideDocumentBundleComplete", ""},
		{"comprehensiveProvideDocumentBundleMultiple", "is used twice in one submission"}, // two documents under one identifier
		{"ProvideDocumentBundle-addToFolder", "a folder is not updated here"},
	} {
		dir := t.TempDir()
		for name, content := range map[string][]byte{"patient.json": read("Patient-ex-patient.json"), "bundle.json": read("Bundle-ex-" + e.name + ".json"),
			"r1.json": related("ex-documentreference"), "r2.json": related("ex-DocumentReferenceComprehensive")} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var out bytes.Buffer
		x.s = &streams{out: &out, err: io.Discard}
		if err := x.load(x.ctx, dir); err != nil {
			t.Fatal(err)
		}
		verdict := ""
		for line := range strings.Lines(out.String()) {
			if strings.Contains(line, "(gateway)") {
				verdict = line
			}
		}
		if e.refused == "" && !strings.Contains(verdict, " accepted ") || e.refused != "" && !strings.Contains(verdict, e.refused) {
			t.Errorf("%s:\n%s", e.name, out.String())
		}
		x.forget(t)
	}
}

// forget deletes every document, those that name others first.
func (x *exchangeUnderTest) forget(t *testing.T) {
	t.Helper()
	rows, err := x.db.SQL().QueryContext(x.ctx, `select sp_id, ptr_id, custodian from locator.pointer order by ptr_id desc`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	sealer, err := readSealer(keysIn(filepath.Join(x.dir, "keys")).secret)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var record, id int64
		var owner string
		if err := rows.Scan(&record, &id, &owner); err != nil {
			t.Fatal(err)
		}
		for _, s := range x.region.Sites {
			if s.Org == owner {
				x.must(http.StatusNoContent, s.ID+"-feed", feeding, http.MethodDelete, "/fhir/DocumentReference/"+sealer.ID("document", record, id), nil)
				break
			}
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}
