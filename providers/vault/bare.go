package vault

import (
	"strconv"
	"strings"

	"accord/providers"
)

// What a bare loop of the same calls goes by, the floor of bench sync: types,
// relations, columns and marks of documents, as the streams have them.
const (
	SourcePresentation = typePresentation
	SourceSlide        = typeSlide
	SourceColumns      = sourceOwn
	SourceNodes        = nodesOf

	TargetPresentation = targetPresentation
	TargetSlide        = targetSlide
	TargetShared       = targetShared
	TargetColumns      = targetOwn
	TargetNodes        = markedNodes

	RelationShared = relationShared
)

// Mark is how a document is marked in a CRM vault that a point made of one of
// the content vault.
func Mark(point string, source, document int64, shared bool) string {
	item := providers.Member{Part: partSlide, Key: keyOf(strconv.FormatInt(document, 10))}
	if shared {
		item.Part = partShared
	}
	return mark(point, source, item)
}

// MarkPrefix begins all marks of a point.
func MarkPrefix(point string, source int64) string { return markPrefix(point, source) }

// Marked is the document that a mark stands for.
func Marked(mark string) int64 {
	_, key, _ := cutLast(strings.TrimSuffix(mark, markShared), ':')
	id, _ := strconv.ParseInt(key, 10, 64)
	return id
}
