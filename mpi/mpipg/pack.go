package mpipg

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"sync"

	"github.com/concord-hie/concord/mpi"
	jsonv2 "github.com/go-json-experiment/json"
	"github.com/klauspost/compress/flate" // a fifth of what the standard library's writer takes for so short a text, and less to read
)

// A body is demographics and received bytes packed together: both say the same in two forms, so the second
// costs little. Layout: one byte of format, then DEFLATE (with the dictionary of that format) of the length of
// the demographics' JSON, the JSON, and the received bytes.
const packFormat = 1

// dictionary primes the compressor with what every registration repeats. It is part of format 1 and never
// changes; a better one is format 2.
const dictionary = `"country":"US","district":"deceasedBoolean":falsemultipleBirthInteger"maritalStatus"` +
	`"meta":{"profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"]},"text":{"status":"generated"}` +
	`"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR","display":"Medical record number"}]},` +
	`"system":"http://hl7.org/fhir/sid/us-ssn","value":"urn:oid:2.16.840.1.113883."http://` +
	`"telecom":[{"system":"phone","value":"","use":"home"},{"system":"email","value":"@example.com"}],"gender":"female","male"` +
	`"birthDate":"19","address":[{"use":"home","line":["Street"],"city":"","state":"","postalCode":"` +
	`{"resourceType":"Patient","id":"","active":true,"identifier":[{"use":"official","system":"","value":""}],` +
	`"name":[{"use":"official","family":"","given":[""]}],` +
	`{"n":[{"u":"official","f":"","g":[""]}],"b":[19],"s":"female","a":[{"u":"home","l":[""],"c":"","s":"","p":""}],"t":[{"s":"phone","v":"","u":"home"}]`

var inflaters = sync.Pool{New: func() any { return flate.NewReaderDict(bytes.NewReader(nil), []byte(dictionary)) }}

var errBody = errors.New("mpipg: a stored body cannot be read")

func pack(d mpi.Demographics, received []byte) ([]byte, error) {
	j, err := json.Marshal(toWire(d))
	if err != nil {
		return nil, err
	}
	text := make([]byte, 0, binary.MaxVarintLen64+len(j)+len(received))
	text = append(append(binary.AppendUvarint(text, uint64(len(j))), j...), received...)
	out := bytes.NewBuffer(append(make([]byte, 0, 1+len(text)/2), packFormat))
	if err := flate.StatelessDeflate(out, text, true, []byte(dictionary)); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Pack makes ready what the store keeps of r, so that it need not be done while a load holds its transaction. r's demographics and
// received bytes must not change any more.
func Pack(r *mpi.Registration) error {
	body, err := pack(r.Demographics, r.Received)
	r.Packed = body
	return err
}

// unpack returns what pack took; received is nil where it was empty.
func unpack(body []byte) (d mpi.Demographics, received []byte, err error) {
	if len(body) == 0 || body[0] != packFormat {
		return mpi.Demographics{}, nil, errBody
	}
	r := inflaters.Get().(io.ReadCloser)
	defer inflaters.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(body[1:]), []byte(dictionary)); err != nil {
		return mpi.Demographics{}, nil, errBody
	}
	room := bytes.NewBuffer(make([]byte, 0, 4*len(body)+bytes.MinRead)) // most bodies are a third of what they hold
	if _, err := room.ReadFrom(r); err != nil {
		return mpi.Demographics{}, nil, errBody
	}
	all := room.Bytes()
	n, used := binary.Uvarint(all)
	if used <= 0 || n > uint64(len(all)-used) {
		return mpi.Demographics{}, nil, errBody
	}
	var w wireDemographics
	if err := jsonv2.Unmarshal(all[used:used+int(n)], &w); err != nil { // twice as fast as what wrote it
		return mpi.Demographics{}, nil, errBody
	}
	if rest := all[used+int(n):]; len(rest) > 0 {
		received = rest
	}
	return w.demographics(), received, nil
}
