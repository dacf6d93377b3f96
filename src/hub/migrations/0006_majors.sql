CREATE TABLE "hub"."translations" (
	"newer" text NOT NULL,
	"version" integer NOT NULL,
	"older" text NOT NULL,
	"document" text NOT NULL,
	"published_at" timestamp (3) with time zone NOT NULL,
	"published_by" text NOT NULL,
	"reason" text NOT NULL,
	CONSTRAINT "translations_newer_version_pk" PRIMARY KEY("newer","version")
);
--> statement-breakpoint
CREATE TABLE "hub"."untranslated" (
	"task_id" text NOT NULL,
	"part" text NOT NULL,
	"attempted" text NOT NULL,
	"from_kind" text NOT NULL,
	"into_kind" text NOT NULL,
	"digest" text NOT NULL,
	"payload" "bytea",
	"reason" text NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "untranslated_task_id_part_attempted_pk" PRIMARY KEY("task_id","part","attempted")
);
--> statement-breakpoint
ALTER TABLE "hub"."tasks" ADD COLUMN "lost_kind" text;--> statement-breakpoint
ALTER TABLE "hub"."tasks" ADD COLUMN "pinned_kind" text;