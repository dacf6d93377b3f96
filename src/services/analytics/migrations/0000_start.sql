CREATE SCHEMA IF NOT EXISTS "analytics";
--> statement-breakpoint
CREATE TABLE "analytics"."attempts" (
	"task_id" text NOT NULL,
	"fence" bigint NOT NULL,
	"bot_id" text NOT NULL,
	"started_at" timestamp (3) with time zone,
	"ended_at" timestamp (3) with time zone,
	"outcome" text,
	CONSTRAINT "attempts_task_id_fence_pk" PRIMARY KEY("task_id","fence")
);
--> statement-breakpoint
CREATE TABLE "analytics"."orders" (
	"order_id" text PRIMARY KEY NOT NULL,
	"placed_at" timestamp (3) with time zone,
	"ready_at" timestamp (3) with time zone,
	"outcome" text
);
--> statement-breakpoint
CREATE TABLE "analytics"."progress" (
	"id" integer PRIMARY KEY NOT NULL,
	"position" bigint NOT NULL,
	"counted_to" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "analytics"."shorts" (
	"task_id" text NOT NULL,
	"fence" bigint NOT NULL,
	"line_id" text NOT NULL,
	"store_id" text NOT NULL,
	"quantity" integer NOT NULL,
	CONSTRAINT "shorts_task_id_fence_line_id_pk" PRIMARY KEY("task_id","fence","line_id")
);
--> statement-breakpoint
CREATE TABLE "analytics"."stores" (
	"store_id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"version" bigint NOT NULL
);
