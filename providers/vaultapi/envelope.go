package vaultapi

import (
	"strings"
)

const (
	statusSuccess   = "SUCCESS"
	statusWarning   = "WARNING"
	statusFailure   = "FAILURE"
	statusException = "EXCEPTION"
)

// envelope is what every JSON answer of Vault has around its payload.
type envelope struct {
	Status    string    `json:"responseStatus"`
	Message   string    `json:"responseMessage"`
	Errors    []problem `json:"errors"`
	Warnings  []warning `json:"warnings"`
	ErrorType string    `json:"errorType"`
}

type problem struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

type warning struct {
	Type    string `json:"warning_type"`
	Message string `json:"message"`
}

// known tells whether this is an answer of Vault at all.
func (e envelope) known() bool {
	switch e.Status {
	case statusSuccess, statusWarning, statusFailure, statusException:
		return true
	}
	return false
}

func (e envelope) ok() bool { return e.Status == statusSuccess || e.Status == statusWarning }

// failure is the error that the envelope reports, nil if none. The first error
// decides its kind.
func (e envelope) failure(op string, write bool) *Error {
	if e.ok() {
		return nil
	}
	err := &Error{Op: op, Type: e.ErrorType, Message: e.Message}
	if len(e.Errors) > 0 {
		err.Type = e.Errors[0].Type
		messages := make([]string, len(e.Errors))
		for i, each := range e.Errors {
			messages[i] = each.Message
			if i > 0 && each.Type != err.Type {
				messages[i] = each.Type + ": " + each.Message
			}
		}
		err.Message = strings.Join(messages, "; ")
	}
	err.Kind = kindOfFailure(e.Status, err.Type, write)
	return err
}

// unchanged tells whether an update found that nothing was to be done.
func (e envelope) unchanged() bool {
	for _, w := range e.Warnings {
		if w.Type == "NO_DATA_CHANGES" {
			return true
		}
	}
	return false
}
