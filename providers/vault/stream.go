package vault

import (
	"context"
	"errors"
	"iter"
	"slices"

	"accord/lang/schema"
	"accord/providers"
	"accord/providers/vaultapi"
)

// The streams.
const (
	streamGroups            = "groups"
	streamReference         = "reference"
	streamPreflight         = "preflight"
	streamExceptions        = "exceptions"
	streamCLM               = "clm"
	streamCLMContent        = "clm_content"
	streamPlatform          = "platform_content"
	streamCLMObjects        = "clm_objects"
	streamCountry           = "country"
	streamConnectionCountry = "connection_country"
)

// stream is one of them: what it holds, and how it is read.
type stream struct {
	schema.Stream
	does  string // what reading it does in a vault, for errors
	whole bool   // no part of it can be read
	read  reader
}

// reader sends batches as they come, and returns the last.
type reader func(p *Provider, ctx context.Context, r *reading) (last providers.Batch, err error)

var streams = []stream{
	{
		Stream: schema.Stream{
			Name: streamCLM, Ordered: true,
			Doc: "CLM content of a content vault: presentations with their slides, and the shared resources that slides use.",
			Parts: []schema.Part{
				{Name: partShared, Title: "shared resources"}, {Name: partSlide, Title: "slides"}, {Name: partPresentation, Title: "presentations", Routed: true},
			},
		},
		does: "read CLM content of", read: (*Provider).clmRecords,
	},
	{
		Stream: schema.Stream{
			Name: streamCLMContent, Ordered: true, Write: true,
			Doc: "What the CLM integration made in a CRM vault: slides and shared resources as CrossLinks, presentations as binders (CLM-4, CLM-11).",
			Parts: []schema.Part{
				{Name: partShared, Title: "shared resources", Cost: schema.Cost{Create: 1, Batch: 3}},
				{Name: partSlide, Title: "slides", Cost: schema.Cost{Create: 1, Batch: 5}},
				{Name: partPresentation, Title: "presentations", Routed: true, Cost: schema.Cost{Create: 1, Edit: 1, Member: 1, Batch: 7}},
			},
		},
		does: "read published content of", read: (*Provider).clmTargetRecords,
	},
	{
		Stream: schema.Stream{
			Name: streamCLMObjects, Ordered: true, Write: true,
			Doc: "What the CLM integration made in a CRM vault in the object model (CLM-10): slides and shared resources as key messages, presentations as records that hold them by presentation slides.",
			Parts: []schema.Part{
				{Name: partShared, Title: "shared key messages", Cost: schema.Cost{Batch: 3}},
				{Name: partSlide, Title: "key messages", Cost: schema.Cost{Batch: 3}},
				{Name: partPresentation, Title: "presentations", Routed: true, Cost: schema.Cost{Batch: 6}},
			},
		},
		does: "read published records of", read: (*Provider).objectRecords,
	},
	{
		Stream: schema.Stream{
			Name: streamPlatform,
			Doc:  "What the platform's own engine made in a CRM vault (INT-7): CrossLinks by their source, presentations by their link. Read only.",
			Parts: []schema.Part{
				{Name: partShared, Title: "shared resources"}, {Name: partSlide, Title: "slides"}, {Name: partPresentation, Title: "presentations", Routed: true},
			},
		},
		does: "read what the platform published in", read: (*Provider).platformRecords, whole: true,
	},
	{
		Stream: schema.Stream{
			Name: streamCountry, Ordered: true, Small: true,
			Doc:   "The countries of a content vault; what routes them are the values of their Country CDA field.",
			Parts: []schema.Part{{Name: partCountry, Title: "countries", Routed: true}},
		},
		does: "read the countries of", read: (*Provider).countryRecords,
	},
	{
		Stream: schema.Stream{
			Name: streamConnectionCountry, Ordered: true, Write: true,
			Doc:   "Connection Country records of a content vault for one CRM vault: the countries that are routed there (CTRY-2).",
			Parts: []schema.Part{{Name: partCountry, Title: "countries", Routed: true, Cost: schema.Cost{Batch: 2}}},
		},
		does: "read the Connection Country records of", read: (*Provider).connectionCountryRecords,
	},
	{
		Stream: schema.Stream{
			Name:  streamGroups,
			Doc:   "By what the content of a content vault is counted: its countries and its products, by name. It is read as a whole only.",
			Parts: []schema.Part{{Name: partCountry, Title: "countries", Routed: true}, {Name: partProduct, Title: "products"}},
		},
		does: "read the countries and products of", read: (*Provider).groupRecords, whole: true,
	},
	{
		Stream: schema.Stream{
			Name: streamReference, Ordered: true,
			Doc:   "What references of a content vault mean in a CRM vault, by Link, else by External ID (RULE-2), and which values a picklist there has (RULE-3). It is read by key only.",
			Parts: []schema.Part{{Name: partReference, Title: "references"}},
		},
		does: "look up references in", read: (*Provider).referenceRecords,
	},
	{
		Stream: schema.Stream{
			Name: streamExceptions, Write: true,
			Doc:   "User exceptions of an integration point that are open (ERR-4): messages, and items below them, of whatever engine.",
			Parts: []schema.Part{{Name: partMessage, Title: "exception messages"}, {Name: partItem, Title: "exception items"}},
		},
		does: "read the user exceptions of", read: (*Provider).exceptionRecords, whole: true,
	},
	{
		Stream: schema.Stream{
			Name: streamPreflight, Ordered: true,
			Doc:   "What keeps a run from being made: rights that somebody lacks (PERM-5), and a settings record of another vault (CTRY-13).",
			Parts: []schema.Part{{Name: partObstacle, Title: "obstacles"}},
		},
		does: "look for what keeps a run from being made in", read: (*Provider).obstacles,
	},
}

// streamSchemas are the streams as the provider declares them: all are of vaults.
func streamSchemas() []schema.Stream {
	list := make([]schema.Stream, len(streams))
	for n, s := range streams {
		list[n] = s.Stream
		list[n].Instance = "vault"
	}
	return list
}

// reading is a request for records on its way.
type reading struct {
	providers.RecordsRequest
	v    *vault
	send func(providers.Batch) error // its error ends the reading
}

// emit hands records over as they are read. Its error ends the reading.
type emit func([]providers.Record) error

// emit sends what a caller read.
func (r *reading) emit(c *caller) emit {
	return func(records []providers.Record) error {
		if len(records) == 0 {
			return nil
		}
		return r.send(providers.Batch{Records: records, Calls: c.took()})
	}
}

// errStopped is what send answers when nobody wants more.
var errStopped = errors.New("stopped")

// Records reads one of the streams.
func (p *Provider) Records(ctx context.Context, req providers.RecordsRequest) iter.Seq2[providers.Batch, error] {
	return func(yield func(providers.Batch, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel() // a page that is being read ahead
		stopped := false
		send := func(b providers.Batch) error {
			if stopped = stopped || !yield(b, nil); stopped {
				return errStopped
			}
			return nil
		}
		last, err := p.read(ctx, req, send)
		switch {
		case stopped:
		case err != nil:
			yield(providers.Batch{}, err)
		default:
			last.End = true
			yield(last, nil)
		}
	}
}

func (p *Provider) read(ctx context.Context, req providers.RecordsRequest, send func(providers.Batch) error) (last providers.Batch, err error) {
	if !req.Only { // a run has to read it all, and does not come back sooner
		ctx = vaultapi.Patiently(ctx)
	}
	s := streams[slices.IndexFunc(streams, func(s stream) bool { return s.Name == req.End.Stream })]
	v, err := p.vault(req.End.Instance)
	switch {
	case err != nil:
	case s.whole && (len(req.Keys) > 0 || !req.Since.IsZero() || req.After != "" || req.UpTo != ""):
		err = providers.Errorf(providers.Internal, "this stream is only read as a whole")
	default:
		last, err = s.read(p, ctx, &reading{req, v, send})
	}
	if err != nil {
		return last, contractError(s.does+" "+req.End.Instance.String(), err)
	}
	return last, nil
}
