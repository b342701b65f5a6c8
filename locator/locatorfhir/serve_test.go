package locatorfhir

import (
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/locator"
)

// plainly is DocumentReference written member by member, each with memory of its own.
func plainly(p locator.Pointer, public Public) []byte {
	o := parsed(p.Received, "DocumentReference")
	o.Set("id", public.ID)
	setMeta(&o, p.Version, fhir.Instant(p.Updated))
	o.Set("status", p.Status.String())
	o.Set("subject", fhir.Reference{Reference: "Patient/" + public.Patient})
	content, err := fhir.EditKnown(o.Value("content"), func(_ int, c *fhir.Object) error {
		a, err := fhir.KnownObject(c.Value("attachment"))
		if err != nil {
			return err
		}
		a.Set("url", public.URL)
		a.Delete("data")
		c.Set("attachment", a)
		return nil
	})
	if err == nil {
		o.Set("content", content)
	} else {
		o.Delete("content")
	}
	return o.Bytes()
}

var served = []string{
	`{"resourceType":"DocumentReference","id":"old","meta":{"versionId":"9","profile":["p"]},"status":"current","subject":{"reference":"Patient/x","display":"gone"},"content":[{"attachment":{"contentType":"text/plain","url":"http://site/1","data":"QQ=="},"format":{"code":"f"}}]}`,
	`{"resourceType":"DocumentReference","content":[{"attachment":{}},{"attachment":{"url":"u","title":"a \\"b\\""}},7,null]}`,
	`{"content":[{"attachment":{"url":"u"}}],"resourceType":"DocumentReference","other":{"a":[1,2,{"b":"}"}]}}`,
	`{"resourceType":"DocumentReference","meta":7,"content":[]}`,
	`{"resourceType":"DocumentReference","content":[{"attachment":"none"}]}`,
	`{"resourceType":"DocumentReference","content":[{}]}`,
	`{"resourceType":"DocumentReference","content":{"attachment":{}}}`,
	` { "resourceType" : "DocumentReference" , "st\\u0061tus" : "x" , "text" : "\u00e9\u2028" } `,
	`{"resourceType":"DocumentReference"`, `[]`, ``, `null`,
}

// What is put together in memory that is used again is what memory of its own would give, whoever else is served meanwhile,
// and stays so when the memory is used for the next.
func FuzzADocumentIsServedAsWrittenPlainly(f *testing.F) {
	for _, s := range served {
		f.Add(s, "id", "patient", "https://x/fhir/Binary/1", int64(3))
	}
	f.Fuzz(func(t *testing.T, received, id, patient, url string, version int64) {
		for _, s := range []*string{&received, &id, &patient, &url} { // nothing else is stored
			*s = strings.ToValidUTF8(*s, "")
		}
		public := Public{ID: id, Patient: patient, URL: url}
		p := locator.Pointer{Received: []byte(received), Version: version, Status: locator.Current, Updated: time.Unix(1700000000, 0).UTC()}
		got, want := DocumentReference(p, public), string(plainly(p, public))
		again := DocumentReference(locator.Pointer{Received: []byte(served[0])}, Public{ID: "other", Patient: "other", URL: "other"})
		if string(got) != want || string(again) != string(plainly(locator.Pointer{Received: []byte(served[0])}, Public{ID: "other", Patient: "other", URL: "other"})) {
			t.Errorf("served %s\nplainly %s", got, want)
		}
	})
}

func TestManyAreServedAtOnceEachTheirOwn(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 300 {
				p := locator.Pointer{Received: []byte(served[(i+n)%len(served)]), Version: int64(n), Status: locator.Current}
				public := Public{ID: strconv.Itoa(i), Patient: strconv.Itoa(n), URL: strings.Repeat("u", n)}
				if got, want := string(DocumentReference(p, public)), string(plainly(p, public)); got != want {
					t.Errorf("served %s, want %s", got, want)
					return
				}
			}
		})
	}
	wg.Wait()
}
